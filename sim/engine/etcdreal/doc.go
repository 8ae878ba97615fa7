// Package etcdreal is a real etcd server inside the process: raft with one member,
// write-ahead log, bbolt, leases and watches, all as etcd ships them, reached through
// an ordinary clientv3.Client by direct calls. There is no socket, and nothing but
// its data directory outside of the process.
//
// It is the witness for etcdmem. The API server's storage suite runs over both, and a
// scenario that tells the same story over both does not owe it to the simulator's own
// idea of an etcd. For everyday runs etcdmem is the better one: it is faster, repeats
// itself more closely, and shows each write before anybody can know of it.
//
// # Bubbles
//
// Inside a testing/synctest bubble every wait is durable as long as Start and all
// requests are called inside of it, and valCtxCh of go.etcd.io/etcd/client/v3 belongs
// to the bubble (package engine sees to that). Ticks, election and leases follow the
// virtual clock. The disk is real, but takes no virtual time.
package etcdreal
