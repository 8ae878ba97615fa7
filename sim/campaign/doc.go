// Package campaign draws scenarios at random, has them played, and counts what came
// of them.
//
// Everything about a run is drawn up front from the campaign's seed and the run's
// number, in swarm style: first which families of faults the run has, then how often
// each strikes. What is drawn is a scenario file like any other: it can be read,
// played again, edited and made smaller without the seed.
//
// A run has two phases. In the first there are faults. Then all is mended, and there
// is quiet, in which every ordinal has to come back (L4). In nine of ten runs everything
// stays inside the trust boundary: no fence or attestation is false, no runtime lies, and
// of the locks, finalizer and record, at most one is taken off. The others may have a false
// fence or a runtime that lies; what follows from that is counted apart.
//
// The package plays nothing itself: whoever runs a campaign hands it a Player.
package campaign
