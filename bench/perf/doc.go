// Package perf runs upstream's scheduler_perf, with its real API server and etcd, under
// the default profile (side A) and under Holdfast's (side B) of one binary.
package perf
