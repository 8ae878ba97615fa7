package conformance

import (
	"context"
	"strconv"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	etcdk8s "go.etcd.io/etcd/client/v3/kubernetes"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apiserver/pkg/apis/example"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/etcd3"
	"k8s.io/apiserver/pkg/storage/value"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/utils/clock"

	"github.com/holdfast-dev/holdfast/sim/engine/etcdmem"
)

var codecs = func() serializer.CodecFactory {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion)
	utilruntime.Must(example.AddToScheme(scheme))
	utilruntime.Must(examplev1.AddToScheme(scheme))
	return serializer.NewCodecFactory(scheme)
}()

// layer is the API server's storage of pods on a store of its own.
type layer struct {
	storage.Interface
	client *clientv3.Client
	codec  runtime.Codec
}

// newClient makes a client of a new store, which ends with the test.
func newClient(t *testing.T, options ...etcdmem.Option) *etcdk8s.Client {
	t.Helper()
	store := etcdmem.New(options...)
	t.Cleanup(store.Close)
	client := &etcdk8s.Client{Client: store.Client()}
	client.Kubernetes = client
	return client
}

// newLayer builds on a client what a kube-apiserver builds for one resource, and
// takes it down with the test.
func newLayer(t *testing.T, client *etcdk8s.Client, transformer value.Transformer) *layer {
	t.Helper()
	l := &layer{client: client.Client, codec: codecs.LegacyCodec(examplev1.SchemeGroupVersion)}
	compactor := etcd3.NewCompactor(l.client, 0, clock.RealClock{}, nil)
	t.Cleanup(compactor.Stop)
	versioner := storage.APIObjectVersioner{}
	pods, err := etcd3.New(client, compactor, l.codec,
		func() runtime.Object { return &example.Pod{} },
		func() runtime.Object { return &example.PodList{} },
		"", "/pods/", schema.GroupResource{Resource: "pods"}, transformer,
		etcd3.LeaseManagerConfig{ReuseDurationSeconds: 1, MaxObjectCount: 1000},
		etcd3.NewDefaultDecoder(l.codec, versioner), versioner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pods.Close)
	l.Interface = pods
	return l
}

// compact compacts up to a resource version as the API server's compactor does, and
// waits until the layer knows.
func (l *layer) compact(ctx context.Context, t *testing.T, resourceVersion string) {
	t.Helper()
	revision, err := strconv.ParseInt(resourceVersion, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	// The first attempt may only find out how often it was done before.
	version, _, done, err := etcd3.Compact(ctx, l.client, 0, revision)
	if err == nil && done != revision {
		_, _, _, err = etcd3.Compact(ctx, l.client, version, revision)
	}
	if err != nil {
		t.Fatalf("compact %d: %v", revision, err)
	}
	if !utilfeature.DefaultFeatureGate.Enabled(features.ListFromCacheSnapshot) {
		return
	}
	for l.CompactRevision() != revision {
		select {
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// startCompactor runs the API server's compactor at its default interval.
func startCompactor(t *testing.T, l *layer) {
	t.Cleanup(etcd3.NewCompactor(l.client, 5*time.Minute, clock.RealClock{}, nil).Stop)
}
