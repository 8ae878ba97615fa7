package conformance

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"
)

// TestTheStorageLayerRunsInVirtualTime goes through the life of an object in a
// bubble. The bubble also sees to it that nothing is left running.
func TestTheStorageLayerRunsInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLayer(t, kubernetesClient(openMemory(t, time.Minute)), newCodec(), identity.NewEncryptCheckTransformer())
		ctx := t.Context()
		began := time.Now()

		all := storage.ListOptions{Predicate: storage.Everything, Recursive: true, ResourceVersion: "1", ProgressNotify: true}
		all.Predicate.AllowWatchBookmarks = true
		w, err := l.Watch(ctx, "/pods/", all)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
		expect := func(want watch.EventType, name string) *example.Pod {
			t.Helper()
			e := <-w.ResultChan()
			pod, isPod := e.Object.(*example.Pod)
			if e.Type != want || !isPod || pod.Name != name {
				t.Fatalf("event %s %v, want %s of %q", e.Type, e.Object, want, name)
			}
			return pod
		}

		created := &example.Pod{}
		if err := l.Create(ctx, "/pods/ns/web-0", pod("web-0"), created, 0); err != nil {
			t.Fatal(err)
		}
		if got := expect(watch.Added, "web-0"); got.ResourceVersion != created.ResourceVersion {
			t.Errorf("watched at %s, created at %s", got.ResourceVersion, created.ResourceVersion)
		}
		if err := l.Create(ctx, "/pods/ns/web-0", pod("web-0"), nil, 0); !storage.IsExist(err) {
			t.Errorf("created again: %v, want that it exists", err)
		}

		got := &example.Pod{}
		if err := l.Get(ctx, "/pods/ns/web-0", storage.GetOptions{}, got); err != nil || got.ResourceVersion != created.ResourceVersion {
			t.Fatalf("get: %v, %v", got, err)
		}
		updated := &example.Pod{}
		err = l.GuaranteedUpdate(ctx, "/pods/ns/web-0", updated, false, nil, storage.SimpleUpdate(func(o runtime.Object) (runtime.Object, error) {
			p := o.DeepCopyObject().(*example.Pod)
			p.Spec.NodeName = "node-1"
			return p, nil
		}), nil)
		if err != nil || updated.Spec.NodeName != "node-1" || updated.ResourceVersion == created.ResourceVersion {
			t.Fatalf("update: %v, %v", updated, err)
		}
		expect(watch.Modified, "web-0")

		// An hour to live, as an event has.
		if err := l.Create(ctx, "/pods/ns/short", pod("short"), nil, 3600); err != nil {
			t.Fatal(err)
		}
		expect(watch.Added, "short")
		list := &example.PodList{}
		if err := l.GetList(ctx, "/pods/", storage.ListOptions{Predicate: storage.Everything, Recursive: true}, list); err != nil || len(list.Items) != 2 {
			t.Fatalf("list: %d items, %v", len(list.Items), err)
		}
		bookmarks := 0
		for e := range w.ResultChan() {
			if e.Type != watch.Bookmark {
				if p := e.Object.(*example.Pod); e.Type != watch.Deleted || p.Name != "short" {
					t.Fatalf("event %s of %v, want the end of the lease", e.Type, e.Object)
				}
				break
			}
			bookmarks++
		}
		if lived := time.Since(began); lived < time.Hour || lived > time.Hour+2*time.Minute || bookmarks < 50 {
			t.Errorf("it lived for %v, with %d bookmarks; want about an hour, with one per minute", lived, bookmarks)
		}

		if err := l.Delete(ctx, "/pods/ns/web-0", got, nil, storage.ValidateAllObjectFunc, nil, storage.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		expect(watch.Deleted, "web-0")
		l.compact(ctx, t, got.ResourceVersion)
		old := storage.ListOptions{Predicate: storage.Everything, Recursive: true, ResourceVersion: created.ResourceVersion, ResourceVersionMatch: metav1.ResourceVersionMatchExact}
		if err := l.GetList(ctx, "/pods/", old, list); err == nil {
			t.Error("a compacted revision can be listed")
		}
	})
}

func pod(name string) *example.Pod {
	return &example.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
}

// TestTheCompactorKeepsTheStoreSmall runs the API server's own compactor for a
// virtual day of heartbeats.
func TestTheCompactorKeepsTheStoreSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLayer(t, kubernetesClient(openMemory(t, time.Minute)), newCodec(), identity.NewEncryptCheckTransformer())
		startCompactor(t, l)
		if err := l.Create(t.Context(), "/pods/ns/web-0", pod("web-0"), nil, 0); err != nil {
			t.Fatal(err)
		}
		sizeMax := int64(0)
		for beat := range 24 * 360 {
			err := l.GuaranteedUpdate(t.Context(), "/pods/ns/web-0", &example.Pod{}, false, nil, storage.SimpleUpdate(func(o runtime.Object) (runtime.Object, error) {
				p := o.DeepCopyObject().(*example.Pod)
				p.Labels = map[string]string{"beat": fmt.Sprint(beat)}
				return p, nil
			}), nil)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			status, err := l.client.Status(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			sizeMax = max(sizeMax, status.DbSize)
		}
		// Ten minutes of beats are kept: 60 versions of less than 1 KiB.
		if sizeMax > 70<<10 {
			t.Errorf("the store grew to %d bytes, want at most %d", sizeMax, 70<<10)
		}
	})
}
