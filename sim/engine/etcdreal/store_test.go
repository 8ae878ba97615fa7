package etcdreal_test

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/holdfast-dev/holdfast/sim/engine/etcdmem"
	"github.com/holdfast-dev/holdfast/sim/engine/etcdreal"
)

func start(t *testing.T, folder string) *etcdreal.Store {
	t.Helper()
	s, err := etcdreal.Start(etcdreal.Options{Folder: folder, Fail: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestObserversSeeEveryChangeInOrder also lets a transaction and a lease write
// several keys in one revision.
func TestObserversSeeEveryChangeInOrder(t *testing.T) {
	ctx := t.Context()
	s := start(t, t.TempDir())
	var mu sync.Mutex
	var seen []string
	last := int64(0)
	c := s.Client()
	if _, err := c.Put(ctx, "before", "x"); err != nil {
		t.Fatal(err)
	}
	s.OnCommit(func(c etcdmem.Commit) {
		mu.Lock()
		defer mu.Unlock()
		if c.Revision < last {
			t.Errorf("revision %d after %d", c.Revision, last)
		}
		last = c.Revision
		seen = append(seen, c.Type.String()+" "+c.Key+" "+string(c.Value))
	})

	lease, err := c.Grant(ctx, 60)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Txn(ctx).Then(clientv3.OpPut("a", "1", clientv3.WithLease(lease.ID)), clientv3.OpPut("b", "2", clientv3.WithLease(lease.ID))).Commit()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Revoke(ctx, lease.ID); err != nil {
		t.Fatal(err)
	}
	put := mvccpb.Event_PUT.String()
	gone := mvccpb.Event_DELETE.String()
	want := []string{put + " a 1", put + " b 2", gone + " a ", gone + " b "}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		mu.Lock()
		enough := len(seen) >= len(want)
		mu.Unlock()
		if enough || time.Now().After(deadline) {
			break
		}
	}
	s.Close() // From here on nobody writes to seen.
	if !slices.Equal(seen, want) {
		t.Errorf("saw %q, want %q", seen, want)
	}
}

func TestNothingIsLeftOfAClosedServer(t *testing.T) {
	folder := t.TempDir()
	start(t, folder).Close() // What is made once per process is not counted.
	goroutines := runtime.NumGoroutine()

	s := start(t, folder)
	c := s.Client()
	if _, err := c.Put(t.Context(), "key", "value"); err != nil {
		t.Fatal(err)
	}
	s.OnCommit(func(etcdmem.Commit) {})
	watch := s.Client().Watch(t.Context(), "key")
	if files, err := os.ReadDir(folder); err != nil || len(files) != 1 {
		t.Errorf("while it runs there are %v, %v in the folder, want the data directory", files, err)
	}
	s.Close()
	s.Close() // Closing again does nothing.

	if files, err := os.ReadDir(folder); err != nil || len(files) != 0 {
		t.Errorf("left in the folder: %v, %v", files, err)
	}
	if _, open := <-watch; open {
		t.Error("a watch goes on")
	}
	if _, err := s.Client().Put(t.Context(), "key", "value"); err == nil {
		t.Error("a closed server takes a write")
	}
	// The last of them may still be on their way out.
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > goroutines && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if left := runtime.NumGoroutine() - goroutines; left > 0 {
		all := make([]byte, 1<<20)
		t.Errorf("%d goroutines are left\n%s", left, all[:runtime.Stack(all, true)])
	}
}

func TestADirectoryThatCannotBeMadeIsNamed(t *testing.T) {
	if _, err := etcdreal.Start(etcdreal.Options{Folder: t.TempDir() + "/no-such"}); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}
