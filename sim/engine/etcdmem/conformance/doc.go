// Package conformance shows that the API server's storage layer cannot tell an
// etcdmem.Store from an etcd: upstream's own suite for implementations of its
// storage interface runs on it, and the layer runs on it in virtual time. It holds
// tests only, apart from those of etcdmem because they link the API server.
package conformance
