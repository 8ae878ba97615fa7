package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	"k8s.io/apiserver/pkg/storage/etcd3"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	"k8s.io/apiserver/pkg/storage/value"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/featuregate"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
)

// suite is upstream's suite for implementations of its storage interface, with the
// parameters that upstream runs it with on an etcd. TestTheSuiteIsWhole sees to it
// that nothing of it is missing.
var suite = map[string]func(context.Context, *testing.T, *suiteLayer){
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
	"DeleteWithConflictAndMissingExpectedTransformOrDecodeError": func(ctx context.Context, t *testing.T, l *suiteLayer) {
		storagetesting.RunTestDeleteWithConflictAndMissingExpectedTransformOrDecodeError(ctx, t, l, l.codec.setFailing)
	},
	"DeleteExpectedTransformError": func(ctx context.Context, t *testing.T, l *suiteLayer) {
		storagetesting.RunTestDeleteExpectedTransformOrDecodeError(ctx, t, l, l.transformer.setFailing)
	},
	"DeleteExpectedDecodeError": func(ctx context.Context, t *testing.T, l *suiteLayer) {
		storagetesting.RunTestDeleteExpectedTransformOrDecodeError(ctx, t, l, l.codec.setFailing)
	},
	"DeleteWithSuggestionAndMissingExpectedTransformOrDecodeError": func(ctx context.Context, t *testing.T, l *suiteLayer) {
		storagetesting.RunTestDeleteWithSuggestionAndMissingExpectedTransformOrDecodeError(ctx, t, l)
	},
	"GetListWithErrorAggregation": func(ctx context.Context, t *testing.T, l *suiteLayer) {
		l.Interface = etcd3.NewStoreWithUnsafeCorruptObjectDeletion(l.Interface, pods)
		storagetesting.RunTestGetListWithErrorAggregation(ctx, t, l, corruptObject(t))
	},
	"GetListWithoutErrorAggregation": func(ctx context.Context, t *testing.T, l *suiteLayer) {
		storagetesting.RunTestGetListWithoutErrorAggregation(ctx, t, l, corruptObject(t))
	},
	"WatchWithUnsafeDelete": func(ctx context.Context, t *testing.T, l *suiteLayer) {
		storagetesting.RunTestWatchWithUnsafeDelete(ctx, t, l, corruptObject(t))
	},
	"WatchBookmarksWithCorrectResourceVersion": func(ctx context.Context, t *testing.T, l *suiteLayer) {
		storagetesting.RunTestOptionalWatchBookmarksWithCorrectResourceVersion(ctx, t, newWatchCache(t, l))
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

// alone are the cases that suffer nobody beside them. Most change feature gates: before
// they begin, those that are listed here; in their midst, those with none.
var alone = map[string]map[featuregate.Feature]bool{
	// The layer looks at the gate when it is made.
	"GetListWithoutErrorAggregation":     {features.AllowUnsafeMalformedObjectDeletion: false},
	"WatchSemantics":                     nil,
	"WatchSemanticInitialEventsExtended": nil,
	"WatchListMatchSingle":               nil,
	// It has three seconds for a hundred writes.
	"WatchBookmarksWithCorrectResourceVersion": nil,
}

// atOnce is how many of the other cases run side by side: they wait more than they
// compute, and one after the other they would take minutes.
const atOnce = 16

// TestStorageSuite runs the suite over each store. It takes real time: a bubble
// allows no subtests.
func TestStorageSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite waits for real seconds")
	}
	for _, streams := range []bool{false, true} {
		t.Run(fmt.Sprintf("RangeStream=%t", streams), func(t *testing.T) {
			featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.EtcdRangeStream, streams)
			// Not t.Parallel: upstream's own parallel subtests would queue behind all others
			// for longer than the second that some of their objects live.
			var running errgroup.Group
			running.SetLimit(atOnce)
			for _, store := range stores {
				for name, run := range suite {
					if _, gates := alone[name]; gates {
						continue
					}
					running.Go(func() error {
						t.Run("store="+store.name+"/"+name, func(t *testing.T) { run(t.Context(), t, newSuiteLayer(t, store.open)) })
						return nil
					})
				}
			}
			_ = running.Wait() // The cases report to t.
			for _, store := range stores {
				for name, gates := range alone {
					t.Run("store="+store.name+"/"+name, func(t *testing.T) {
						featuregatetesting.SetFeatureGatesDuringTest(t, utilfeature.DefaultFeatureGate, gates)
						suite[name](t.Context(), t, newSuiteLayer(t, store.open))
					})
				}
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
	codec       *faultyCodec
	transformer *faultyTransformer
	lists       *storagetesting.KubernetesRecorder
}

func newSuiteLayer(tb testing.TB, open opener) *suiteLayer {
	tb.Helper()
	client := kubernetesClient(open(tb, time.Second))
	l := &suiteLayer{
		codec:       &faultyCodec{Codec: newCodec()},
		transformer: &faultyTransformer{current: storagetesting.NewPrefixTransformer([]byte(valuePrefix), false)},
		lists:       storagetesting.NewKubernetesRecorder(client.Kubernetes),
	}
	client.KV = storagetesting.NewKVRecorder(client.KV, l.lists)
	client.Kubernetes = l.lists
	l.layer = newLayer(tb, client, l.codec, l.transformer)
	return l
}

// newWatchCache is the API server's cache over a layer, which makes the bookmarks.
func newWatchCache(t *testing.T, l *suiteLayer) storage.Interface {
	t.Helper()
	cache, err := cacher.NewCacherFromConfig(cacher.Config{
		Storage:             l,
		Versioner:           storage.APIObjectVersioner{},
		GroupResource:       pods,
		EventsHistoryWindow: cacher.DefaultEventFreshDuration,
		ResourcePrefix:      podsPrefix,
		KeyFunc:             func(o runtime.Object) (string, error) { return storage.NamespaceKeyFunc(podsPrefix, o) },
		GetAttrsFunc:        storage.DefaultNamespaceScopedAttr,
		NewFunc:             newPod,
		NewListFunc:         newPodList,
		Codec:               l.codec,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Stop)
	if err := cache.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	delegator := cacher.NewCacheDelegator(cache, l)
	t.Cleanup(delegator.Stop)
	return delegator
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
	if pod := object.(*example.Pod); pod.ResourceVersion != "" {
		t.Errorf("%s is stored with resource version %q, want none", key, pod.ResourceVersion)
	}
}

// UpdatePrefixTransformer lets the suite change how values are read and written.
func (l *suiteLayer) UpdatePrefixTransformer(change storagetesting.PrefixTransformerModifier) func() {
	return l.UpdateTransformer(func(old value.Transformer) value.Transformer {
		next := *old.(*storagetesting.PrefixTransformer)
		return change(&next)
	})
}

// UpdateTransformer lets the suite put a transformer of its own around the other.
func (l *suiteLayer) UpdateTransformer(change storagetesting.TransformerModifier) func() {
	old := l.transformer.get()
	l.transformer.set(change(old))
	return func() { l.transformer.set(old) }
}

// corruptObject is the error that the storage layer makes of an object whose value
// cannot be transformed. Its type is not exported.
func corruptObject(t *testing.T) error {
	t.Helper()
	broken := &faultyTransformer{}
	broken.setFailing(true)
	_, _, err := etcd3.WithCorruptObjErrorHandlingTransformer(broken).TransformFromStorage(t.Context(), nil, nil)
	if err == nil {
		t.Fatal("a transformer that fails made a value")
	}
	return err
}

var errFaulty = errors.New("told to fail")

// faultyCodec decodes nothing while it is told to fail.
type faultyCodec struct {
	runtime.Codec
	failing atomic.Bool
}

func (c *faultyCodec) setFailing(failing bool) { c.failing.Store(failing) }

func (c *faultyCodec) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if c.failing.Load() {
		return nil, nil, errFaulty
	}
	return c.Codec.Decode(data, defaults, into)
}

// faultyTransformer is a transformer that a test can replace while the layer uses
// it, and that reads nothing while it is told to fail.
type faultyTransformer struct {
	failing atomic.Bool
	mu      sync.Mutex
	current value.Transformer
}

func (f *faultyTransformer) setFailing(failing bool) { f.failing.Store(failing) }

func (f *faultyTransformer) get() value.Transformer {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current
}

func (f *faultyTransformer) set(next value.Transformer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current = next
}

func (f *faultyTransformer) TransformFromStorage(ctx context.Context, data []byte, dataCtx value.Context) ([]byte, bool, error) {
	if f.failing.Load() {
		return nil, false, errFaulty
	}
	return f.get().TransformFromStorage(ctx, data, dataCtx)
}

func (f *faultyTransformer) TransformToStorage(ctx context.Context, data []byte, dataCtx value.Context) ([]byte, error) {
	return f.get().TransformToStorage(ctx, data, dataCtx)
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
