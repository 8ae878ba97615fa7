package engine_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/events"

	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/engine/inproc"
)

// TestARefusedSeriesOfEventsDoesNotStopTime has client-go's broadcaster refresh a series,
// which it does with its mutex held, and an event come meanwhile, which wants the mutex.
// This is how a cluster whose API server answers 429 at the half hour could stand still.
func TestARefusedSeriesOfEventsDoesNotStopTime(t *testing.T) {
	inCluster(t, engine.Options{Scheduler: engine.Stock, StallLimit: 10 * time.Second}, func(ctx context.Context, c *engine.Cluster) error {
		kube, err := kubernetes.NewForConfig(c.RESTConfig("test"))
		if err != nil {
			return err
		}
		broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: kube.EventsV1()})
		defer broadcaster.Shutdown()
		if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
			return err
		}
		recorder := broadcaster.NewRecorder(scheme.Scheme, "test")
		tell := func(reason string) {
			pod := &corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "default", Name: "web-0"}
			recorder.Eventf(pod, nil, corev1.EventTypeWarning, reason, "Testing", "no room")
		}
		begin := time.Now()
		const refresh = 30 * time.Minute // client-go tools/events, refreshTime
		for at := time.Minute; at < refresh; at += time.Minute {
			time.Sleep(time.Until(begin.Add(at)))
			tell("Again") // A series that stops is forgotten after six minutes.
		}
		c.Transport.Refuse(inproc.Refusal{
			Request: inproc.Request{Component: "test", Verb: "patch", Resource: "events"},
			With:    inproc.TooManyRequests(), Until: begin.Add(refresh + time.Minute),
		})
		var written atomic.Int64
		c.Transport.Observe(func(r *http.Request) {
			if r.Method == http.MethodPatch && r.UserAgent() == "test" {
				written.Add(1)
			}
		})
		time.Sleep(time.Until(begin.Add(refresh + 500*time.Millisecond)))
		if n := written.Load(); n != 1 {
			t.Errorf("the series was written %d times at the half hour, want once, or the test shows nothing", n)
		}
		tell("Another")
		time.Sleep(time.Minute)
		return nil
	})
}

// TestARefusedDiscoveryDoesNotStopTime has a controller ask for a kind, for which the
// mapper that all of them share asks the API server with its mutex held, and another one
// come meanwhile.
func TestARefusedDiscoveryDoesNotStopTime(t *testing.T) {
	inCluster(t, engine.Options{Scheduler: engine.Stock, StallLimit: 10 * time.Second}, func(_ context.Context, c *engine.Cluster) error {
		const agent = "controller-discovery"
		kube, err := kubernetes.NewForConfig(c.RESTConfig(agent))
		if err != nil {
			return err
		}
		mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kube.Discovery()))
		c.Transport.Refuse(inproc.Refusal{Request: inproc.Request{Component: agent}, With: inproc.TooManyRequests(), Until: time.Now().Add(5 * time.Second)})
		pod := schema.GroupKind{Kind: "Pod"}
		first := make(chan error)
		go func() {
			_, err := mapper.RESTMapping(pod)
			first <- err
		}()
		time.Sleep(500 * time.Millisecond)
		mapper.Reset()
		if err := <-first; err == nil {
			t.Error("the mapper knows pods, though its discovery is refused")
		}
		time.Sleep(5 * time.Second)
		if _, err := mapper.RESTMapping(pod); err != nil {
			t.Errorf("after the refusals: %v", err)
		}
		return nil
	})
}
