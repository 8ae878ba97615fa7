//go:build storagesuite

package conformance

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/features"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	"k8s.io/apiserver/pkg/storage/value"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	featuregatetesting "k8s.io/component-base/featuregate/testing"

	"github.com/holdfast-dev/holdfast/sim/engine/etcdmem"
)

// TestStorageSuite is upstream's suite for implementations of its storage interface,
// with the parameters that upstream runs it with on an etcd. Left out is what needs
// unexported parts of upstream's store to provoke corrupt objects; it is about
// decoding, not about etcd.
func TestStorageSuite(t *testing.T) {
	cases := map[string]func(context.Context, *testing.T, *suiteLayer){
		"Create": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunTestCreate(ctx, t, l, l.checkStored)
		},
		"GuaranteedUpdate": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunTestGuaranteedUpdate(ctx, t, l, l.checkStored)
		},
		"List": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunTestList(ctx, t, l, l.compact, false, l.lists)
		},
		"ConsistentList": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunTestConsistentList(ctx, t, l, l.increaseRV, false, true, false)
		},
		"GetListNonRecursive": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunTestGetListNonRecursive(ctx, t, l.increaseRV, l)
		},
		"ListContinuation": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunTestListContinuation(ctx, t, l, anyCalls)
		},
		"ListPaginationRareObject": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunTestListPaginationRareObject(ctx, t, l, anyCalls)
		},
		"ListContinuationWithFilter": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunTestListContinuationWithFilter(ctx, t, l, anyCalls)
		},
		"ListInconsistentContinuation": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunTestListInconsistentContinuation(ctx, t, l, l.compact)
		},
		"Stats": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunTestStats(ctx, t, l, l.codec, l.transformer, false)
		},
		"CompactRevision": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunTestCompactRevision(ctx, t, l, l.increaseRV, l.compact)
		},
		"WatchFromZero": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunTestWatchFromZero(ctx, t, l, l.compact)
		},
		"ProgressNotify": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunOptionalTestProgressNotify(ctx, t, l, l.increaseRV)
		},
		"WatchDispatchBookmarkEvents": func(ctx context.Context, t *testing.T, l *suiteLayer) {
			storagetesting.RunTestWatchDispatchBookmarkEvents(ctx, t, l, false)
		},
		"CreateWithTTL":                              plain(storagetesting.RunTestCreateWithTTL),
		"CreateWithKeyExist":                         plain(storagetesting.RunTestCreateWithKeyExist),
		"Get":                                        plain(storagetesting.RunTestGet),
		"UnconditionalDelete":                        plain(storagetesting.RunTestUnconditionalDelete),
		"ConditionalDelete":                          plain(storagetesting.RunTestConditionalDelete),
		"DeleteWithSuggestion":                       plain(storagetesting.RunTestDeleteWithSuggestion),
		"DeleteWithSuggestionAndConflict":            plain(storagetesting.RunTestDeleteWithSuggestionAndConflict),
		"DeleteWithConflict":                         plain(storagetesting.RunTestDeleteWithConflict),
		"DeleteWithSuggestionOfDeletedObject":        plain(storagetesting.RunTestDeleteWithSuggestionOfDeletedObject),
		"ValidateDeletionWithSuggestion":             plain(storagetesting.RunTestValidateDeletionWithSuggestion),
		"ValidateDeletionWithOnlySuggestionValid":    plain(storagetesting.RunTestValidateDeletionWithOnlySuggestionValid),
		"PreconditionalDeleteWithSuggestion":         plain(storagetesting.RunTestPreconditionalDeleteWithSuggestion),
		"PreconditionalDeleteWithOnlySuggestionPass": plain(storagetesting.RunTestPreconditionalDeleteWithOnlySuggestionPass),
		"GetListRecursivePrefix":                     plain(storagetesting.RunTestGetListRecursivePrefix),
		"ListPaging":                                 plain(storagetesting.RunTestListPaging),
		"NamespaceScopedList":                        plain(storagetesting.RunTestNamespaceScopedList),
		"KeySchema":                                  plain(storagetesting.RunTestKeySchema),
		"GuaranteedUpdateWithTTL":                    plain(storagetesting.RunTestGuaranteedUpdateWithTTL),
		"GuaranteedUpdateWithConflict":               plain(storagetesting.RunTestGuaranteedUpdateWithConflict),
		"GuaranteedUpdateWithSuggestionAndConflict":  plain(storagetesting.RunTestGuaranteedUpdateWithSuggestionAndConflict),
		"Watch":                                  plain(storagetesting.RunTestWatch),
		"ClusterScopedWatch":                     plain(storagetesting.RunTestClusterScopedWatch),
		"NamespaceScopedWatch":                   plain(storagetesting.RunTestNamespaceScopedWatch),
		"DeleteTriggerWatch":                     plain(storagetesting.RunTestDeleteTriggerWatch),
		"WatchFromNonZero":                       plain(storagetesting.RunTestWatchFromNonZero),
		"DelayedWatchDelivery":                   plain(storagetesting.RunTestDelayedWatchDelivery),
		"WatchContextCancel":                     plain(storagetesting.RunTestWatchContextCancel),
		"WatcherTimeout":                         plain(storagetesting.RunTestWatcherTimeout),
		"WatchDeleteEventObjectHaveLatestRV":     plain(storagetesting.RunTestWatchDeleteEventObjectHaveLatestRV),
		"WatchInitializationSignal":              plain(storagetesting.RunTestWatchInitializationSignal),
		"SendInitialEventsBackwardCompatibility": plain(storagetesting.RunSendInitialEventsBackwardCompatibility),
		"WatchSemantics":                         plain(storagetesting.RunWatchSemantics),
		"WatchSemanticInitialEventsExtended":     plain(storagetesting.RunWatchSemanticInitialEventsExtended),
		"WatchListMatchSingle":                   plain(storagetesting.RunWatchListMatchSingle),
		"ListResourceVersionMatch":               prefixed(storagetesting.RunTestListResourceVersionMatch),
		"GuaranteedUpdateChecksStoredData":       prefixed(storagetesting.RunTestGuaranteedUpdateChecksStoredData),
		"TransformationFailure":                  prefixed(storagetesting.RunTestTransformationFailure),
		"WatchError":                             prefixed(storagetesting.RunTestWatchError),
		"WatchErrorIsBlockingFurtherEvents":      prefixed(storagetesting.RunWatchErrorIsBlockingFurtherEvents),
	}
	for _, streams := range []bool{false, true} {
		t.Run(fmt.Sprintf("RangeStream=%v", streams), func(t *testing.T) {
			featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.EtcdRangeStream, streams)
			for name, run := range cases {
				t.Run(name, func(t *testing.T) {
					run(t.Context(), t, newSuiteLayer(t, etcdmem.WithProgressInterval(time.Second)))
				})
			}
		})
	}
}

func plain[S any](run func(context.Context, *testing.T, S)) func(context.Context, *testing.T, *suiteLayer) {
	return func(ctx context.Context, t *testing.T, l *suiteLayer) { run(ctx, t, any(l).(S)) }
}

func prefixed(run func(context.Context, *testing.T, storagetesting.InterfaceWithPrefixTransformer)) func(context.Context, *testing.T, *suiteLayer) {
	return plain(run)
}

// anyCalls leaves uncounted how often the layer reads: that is the layer's affair.
func anyCalls(*testing.T, uint64, uint64) {}

// valuePrefix marks every stored value, so that a test can see whether the
// transformer was at work.
const valuePrefix = "test!"

// suiteLayer is a layer with what the suite looks at and changes.
type suiteLayer struct {
	*layer
	transformer *swappable
	lists       *storagetesting.KubernetesRecorder
}

func newSuiteLayer(t *testing.T, options ...etcdmem.Option) *suiteLayer {
	t.Helper()
	client := newClient(t, options...)
	l := &suiteLayer{
		transformer: &swappable{current: storagetesting.NewPrefixTransformer([]byte(valuePrefix), false)},
		lists:       storagetesting.NewKubernetesRecorder(client.Kubernetes),
	}
	client.KV = storagetesting.NewKVRecorder(client.KV, l.lists)
	client.Kubernetes = l.lists
	l.layer = newLayer(t, client, l.transformer)
	return l
}

// checkStored is the suite's check of what lies in the store itself.
func (l *suiteLayer) checkStored(ctx context.Context, t *testing.T, key string) {
	t.Helper()
	resp, err := l.client.Get(ctx, key)
	if err != nil || len(resp.Kvs) != 1 {
		t.Fatalf("%s: %v, %v", key, resp, err)
	}
	object, err := runtime.Decode(l.codec, resp.Kvs[0].Value[len(valuePrefix):])
	if err != nil {
		t.Fatalf("%s holds %q: %v", key, resp.Kvs[0].Value, err)
	}
	if pod := object.(*example.Pod); pod.ResourceVersion != "" || pod.SelfLink != "" {
		t.Errorf("%s is stored with resource version %q and link %q, want none", key, pod.ResourceVersion, pod.SelfLink)
	}
}

// UpdatePrefixTransformer lets the suite change how values are read and written.
func (l *suiteLayer) UpdatePrefixTransformer(change storagetesting.PrefixTransformerModifier) func() {
	old := l.transformer.get().(*storagetesting.PrefixTransformer)
	next := *old
	l.transformer.set(change(&next))
	return func() { l.transformer.set(old) }
}

// swappable is a transformer that a test can replace while the layer uses it.
type swappable struct {
	mu      sync.Mutex
	current value.Transformer
}

func (s *swappable) get() value.Transformer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *swappable) set(next value.Transformer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = next
}

func (s *swappable) TransformFromStorage(ctx context.Context, data []byte, dataCtx value.Context) ([]byte, bool, error) {
	return s.get().TransformFromStorage(ctx, data, dataCtx)
}

func (s *swappable) TransformToStorage(ctx context.Context, data []byte, dataCtx value.Context) ([]byte, error) {
	return s.get().TransformToStorage(ctx, data, dataCtx)
}

// increaseRV moves the store's revision on by a write that is none of the layer's.
func (l *suiteLayer) increaseRV(ctx context.Context, t *testing.T) int64 {
	t.Helper()
	resp, err := l.client.Put(ctx, "increaseRV", "ok")
	if err != nil {
		t.Fatal(err)
	}
	return resp.Header.Revision
}
