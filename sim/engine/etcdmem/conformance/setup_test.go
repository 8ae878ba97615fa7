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
	"github.com/holdfast-dev/holdfast/sim/engine/etcdreal"
)

// opener opens a new store, which ends with the test and tells idle watches so often
// how far they are.
type opener func(tb testing.TB, progressInterval time.Duration) *clientv3.Client

// stores are what is judged.
var stores = []struct {
	name string
	open opener
}{
	{"memory", openMemory},
	{"etcd", openEtcd},
}

func openMemory(tb testing.TB, progressInterval time.Duration) *clientv3.Client {
	store := etcdmem.New(etcdmem.WithProgressInterval(progressInterval))
	tb.Cleanup(store.Close)
	return store.Client()
}

func openEtcd(tb testing.TB, progressInterval time.Duration) *clientv3.Client {
	tb.Helper()
	store, err := etcdreal.Start(etcdreal.Options{
		Folder: tb.TempDir(), ProgressInterval: progressInterval,
		Fail: func(err error) { tb.Error(err) },
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(store.Close)
	return store.Client()
}

var codecs = func() serializer.CodecFactory {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion)
	utilruntime.Must(example.AddToScheme(scheme))
	utilruntime.Must(examplev1.AddToScheme(scheme))
	return serializer.NewCodecFactory(scheme)
}()

func newCodec() runtime.Codec { return codecs.LegacyCodec(examplev1.SchemeGroupVersion) }

// pods is the resource that is stored.
var pods = schema.GroupResource{Resource: "pods"}

const podsPrefix = "/pods/"

func newPod() runtime.Object     { return &example.Pod{} }
func newPodList() runtime.Object { return &example.PodList{} }

// layer is the API server's storage of pods on a store of its own.
type layer struct {
	storage.Interface
	client *clientv3.Client
	codec  runtime.Codec
}

// kubernetesClient is the client as the storage layer wants it.
func kubernetesClient(client *clientv3.Client) *etcdk8s.Client {
	c := &etcdk8s.Client{Client: client}
	c.Kubernetes = c
	return c
}

// newLayer builds on a client what a kube-apiserver builds for one resource, and
// takes it down with the test.
func newLayer(tb testing.TB, client *etcdk8s.Client, codec runtime.Codec, transformer value.Transformer) *layer {
	tb.Helper()
	l := &layer{client: client.Client, codec: codec}
	compactor := etcd3.NewCompactor(l.client, 0, clock.RealClock{}, nil)
	tb.Cleanup(compactor.Stop)
	versioner := storage.APIObjectVersioner{}
	store, err := etcd3.New(client, compactor, l.codec, newPod, newPodList, "", podsPrefix, pods, transformer,
		etcd3.LeaseManagerConfig{ReuseDurationSeconds: 1, MaxObjectCount: 1000},
		etcd3.NewDefaultDecoder(l.codec, versioner), versioner)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(store.Close)
	l.Interface = store
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
