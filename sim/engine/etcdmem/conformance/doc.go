// Package conformance shows that the API server's storage layer cannot tell an
// etcdmem.Store from an etcd. The judge is upstream's own suite for implementations
// of its storage interface, every function of it, run from one table over the store
// in memory and over a real etcd (etcdreal): a case that asked too much, or too
// little, would show on the real one.
//
// It holds tests only, apart from those of etcdmem because they link the layer. The
// suite cannot run in a bubble, where subtests are forbidden, and waits for about 35
// real seconds; -short leaves it out. Beside it the layer is run in virtual time.
package conformance
