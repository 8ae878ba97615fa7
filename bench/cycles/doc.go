// Package cycles measures scheduling cycles: the default profile (side A) and Holdfast's
// (side B) of one real scheduler on the same snapshot, in paired blocks that take turns
// within one benchmark. The machine drifts by a factor of two between one benchmark and
// the next; it does not between two blocks. bench/README.md says how to read and run it.
package cycles
