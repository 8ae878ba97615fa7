// Package etcdmem is the part of etcd v3 that a kube-apiserver needs, in memory:
// one Store per simulated cluster, reached through an ordinary clientv3.Client.
// The simulator uses it in place of an etcd so that every write of the cluster is
// seen in one total order and no socket, disk or raft tick stands in virtual time.
//
// What it keeps of etcd's behaviour:
//
//   - Every key has versions; a read may ask for any revision that is not compacted.
//   - A transaction is one revision. Its comparisons, its checks and its writes
//     see one state; if anything in it is refused, nothing of it happened.
//   - A watch delivers every change of its keys from its start revision on, once
//     and in order, or ends with ErrCompacted. It never skips.
//   - A progress notification of revision r comes after every event up to r.
//   - A lease that ends deletes its keys in one revision.
//   - Compaction frees what it removes.
//
// A request that the package does not know (nested transactions, custom sort
// orders, revision filters, ignore_value, cluster membership, users) is answered
// with codes.Unimplemented, never with a guess. What reaches a limit is answered
// with the error an etcd gives, see limits.
//
// That this is so is not for the package to say: package conformance runs the API
// server's storage suite over it and over a real etcd, and the simulator plays the
// same scenario over both (package etcdreal).
//
// # Layers
//
//	history   versions, log and compaction: pure, no lock, no clock, no protobuf
//	Store     the lock around it, leases, watches, observers
//	kvClient, leaseClient, watcher   etcd's API, the only part that knows it
//
// # Bubbles
//
// Inside a testing/synctest bubble every wait is durable as long as New, Client
// and all requests are called inside of it. The package has no channel of its own
// outside of a Store. Two watches or leases that are due at the same instant are
// served in the order in which they were made, so a run can be repeated.
package etcdmem
