// Package conformance shows that the API server's storage layer cannot tell an
// etcdmem.Store from an etcd. It holds tests only, apart from those of etcdmem
// because they link the API server:
//
//	go test ./sim/engine/etcdmem/conformance
//	go test -tags storagesuite ./sim/engine/etcdmem/conformance
//
// The first runs the layer in virtual time. The second adds upstream's own suite for
// implementations of its storage interface; it has a tag because it cannot run in a
// bubble, where subtests are forbidden, and so waits for 40 real seconds.
package conformance
