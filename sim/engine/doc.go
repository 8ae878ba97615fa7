// Package engine runs a whole Kubernetes control plane inside the process, in
// virtual time: the kube-apiserver's handler chain with admission and custom
// resources over an etcd in memory, the kube-scheduler, stock or with Holdfast,
// and the controllers that a StatefulSet's life depends on. All of them are the
// real ones; what is modelled is only what cannot be real, and that is sim/world.
// The etcd can be a real one too, for a cross-check: see StoreKind.
//
// A bubble of testing/synctest is the clock: it stands still while any goroutine
// can run and jumps to the next timer when all of them wait.
//
//	engine.InVirtualTime(func(ctx context.Context) error {
//		cluster, err := engine.Start(ctx, engine.Options{Scheduler: engine.Stock})
//		...
//		time.Sleep(40 * time.Minute) // a few seconds of wall time
//	})
package engine
