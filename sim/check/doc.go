// Package check holds the invariants against the ground truth and against the log of
// API writes. Checker reads the world alone; of a release it is told by whoever watches
// the API, and holds the evidence against the world. Log reads what the store commits,
// and decodes it itself. Neither has code of the plugin, the guard or the decision
// packages, so that it cannot share a mistake with them.
package check
