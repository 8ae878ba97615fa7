package conformance

import (
	"io"
	"testing"

	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	"k8s.io/klog/v2"
)

// Upstream's benchmarks of its storage layer, over each store. The cluster is of the
// size that the simulator plays with, a hundredth of upstream's.
//
//	go test ./sim/engine/etcdmem/conformance -run '^$' -bench . -benchtime 100x

func BenchmarkStoreList(b *testing.B) {
	overEachStore(b, func(b *testing.B, l *suiteLayer, data storagetesting.BenchmarkData) {
		storagetesting.RunBenchmarkStoreList(b.Context(), b, l, data, false)
	})
}

func BenchmarkStoreStats(b *testing.B) {
	overEachStore(b, func(b *testing.B, l *suiteLayer, _ storagetesting.BenchmarkData) {
		storagetesting.RunBenchmarkStoreStats(b.Context(), b, l)
	})
}

func BenchmarkStoreWriteThroughput(b *testing.B) {
	overEachStore(b, func(b *testing.B, l *suiteLayer, data storagetesting.BenchmarkData) {
		storagetesting.RunBenchmarkWriteThroughput(b.Context(), b, l, data, false, nil)
	})
}

// overEachStore runs a benchmark on 1500 pods of 50 nodes in 10 namespaces.
func overEachStore(b *testing.B, run func(*testing.B, *suiteLayer, storagetesting.BenchmarkData)) {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	for _, store := range stores {
		b.Run("store="+store.name, func(b *testing.B) {
			data := storagetesting.PrepareBenchmarkData(10, 150, 50)
			l := newSuiteLayer(b, store.open)
			if err := storagetesting.PrecreateBenchmarkPods(b.Context(), l, data); err != nil {
				b.Fatal(err)
			}
			run(b, l, data)
		})
	}
}
