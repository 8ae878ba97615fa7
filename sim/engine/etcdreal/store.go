package etcdreal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/holdfast-dev/holdfast/sim/engine/etcdmem"
)

// readyMax is how long a server may take to elect itself.
const readyMax = time.Minute

// Options say how a server runs.
type Options struct {
	// Folder is where the data directory is made; empty: the system's folder for
	// temporary files.
	Folder string
	// ProgressInterval is etcd's flag --watch-progress-notify-interval; zero: etcd's
	// 10 minutes. etcd keeps it once per process: of several servers the one whose
	// client was made last decides.
	ProgressInterval time.Duration
	// Fail is told what broke the server while it ran or when it was closed; required.
	Fail func(error)
}

// Store is a running etcd server. It is made by Start and safe for concurrent use.
type Store struct {
	server *etcdserver.EtcdServer
	data   string
	fail   func(error)

	mu      sync.Mutex
	closed  bool
	clients []*clientv3.Client

	// watching counts the goroutines that wait for the server to say something.
	watching sync.WaitGroup
}

// Start starts a server over an empty data directory and returns once it serves. It
// must be closed, or the directory stays, as it does when the process is killed.
func Start(o Options) (*Store, error) {
	data, err := os.MkdirTemp(o.Folder, "holdfast-etcd-")
	if err != nil {
		return nil, err
	}
	s := &Store{data: data, fail: o.Fail}
	if s.server, err = etcdserver.NewServer(serverConfig(data, o.ProgressInterval, s.logger())); err != nil {
		return nil, errors.Join(fmt.Errorf("etcd: %w", err), os.RemoveAll(data))
	}
	s.server.Start()
	late := time.NewTimer(readyMax)
	defer late.Stop()
	select {
	case <-s.server.ReadyNotify():
	case <-s.server.StopNotify():
		err = errStopped
	case <-late.C:
		err = fmt.Errorf("etcd is not ready after %s", readyMax)
	}
	if err != nil {
		s.server.Stop()
		return nil, errors.Join(err, os.RemoveAll(data))
	}
	s.watching.Go(func() {
		<-s.server.StopNotify()
		s.ended(errStopped)
	})
	return s, nil
}

// errStopped is all that is known of a server that gives up: it tells its log why.
var errStopped = errors.New("etcd stopped by itself")

// logger says nothing, but keeps the server from ending the process: that is how it
// answers a disk that fails.
func (s *Store) logger() *zap.Logger {
	return zap.New(zapcore.NewNopCore(), zap.WithFatalHook(fatalHook(s.fail)))
}

type fatalHook func(error)

// OnWrite implements zapcore.CheckWriteHook. It must not return: etcd takes it for
// granted that nothing runs on after it.
func (fail fatalHook) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	said := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(said)
	}
	fail(fmt.Errorf("etcd ended itself: %s %v", e.Message, said.Fields))
	runtime.Goexit()
}

// Client returns a new client of the server. It needs no connection and has no
// endpoints; closing it ends its watches and keep-alives, not the server.
func (s *Store) Client() *clientv3.Client {
	c := v3client.New(s.server)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close() // Without a connection its only error is the context that it cancels itself.
	} else {
		s.clients = append(s.clients, c)
	}
	return c
}

// OnCommit lets the function see every change from now on, in total order, one at a
// time. Unlike etcdmem's, it learns of them by a watch: at the same virtual instant,
// but after the writer and maybe after other watches. It must be quick.
func (s *Store) OnCommit(observe func(etcdmem.Commit)) {
	changes := s.Client().Watch(context.Background(), "\x00", clientv3.WithFromKey(), clientv3.WithCreatedNotify())
	<-changes // Says that it was created, or that the client is closed.
	s.watching.Go(func() {
		for r := range changes {
			for _, e := range r.Events {
				observe(etcdmem.Commit{Revision: e.Kv.ModRevision, Type: e.Type, Key: string(e.Kv.Key), Value: e.Kv.Value})
			}
		}
		s.ended(errors.New("etcd: the watch for commits ended"))
	})
}

// ended tells of something that should end only when the store is closed.
func (s *Store) ended(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.fail(err)
	}
}

// Close ends all watches and keep-alives, stops the server and removes its data; it
// returns when that is done. Closing again does nothing.
func (s *Store) Close() {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	clients := s.clients
	s.clients = nil
	s.mu.Unlock()
	if again {
		return
	}
	for _, c := range clients {
		_ = c.Close() // As in Client.
	}
	s.server.Stop()
	s.watching.Wait()
	if err := os.RemoveAll(s.data); err != nil {
		s.fail(err)
	}
}
