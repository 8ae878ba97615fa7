package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"k8s.io/client-go/rest"
	kubeapiserveroptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/loopback"
)

func TestMain(m *testing.M) {
	engine.DiscardLogs()
	os.Exit(m.Run())
}

// limit is how long anything is waited for.
const limit = loopback.Limit

// until waits until check returns nil.
func until(t *testing.T, what string, check func(ctx context.Context) error) {
	t.Helper()
	loopback.Until(t, what, check)
}

func startEtcd(t *testing.T) string {
	t.Helper()
	return loopback.StartEtcd(t)
}

// apiServer is a kube-apiserver as its own program runs it.
type apiServer struct {
	started *loopback.APIServer
	// admin may do everything.
	admin *rest.Config
	// address and ca are what a kubeconfig of the outside names.
	address, ca string
}

func startAPIServer(t *testing.T, etcd string, changes ...func(*kubeapiserveroptions.ServerRunOptions)) *apiServer {
	t.Helper()
	s := loopback.StartAPIServer(t, etcd, changes...)
	return &apiServer{started: s, admin: s.Admin, address: s.Address, ca: s.CA}
}

// as is the configuration of a client that acts as a user, under a user agent.
func (a *apiServer) as(user, agent string) *rest.Config { return a.started.As(user, agent) }

func startStatefulSetController(t *testing.T, a *apiServer) {
	t.Helper()
	loopback.StartStatefulSetController(t, a.started)
}

// freePort is a port of loopback that nobody listens on at present.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}
