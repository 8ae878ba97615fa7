package inproc

import (
	"net/http"
	"strings"
)

// retryAfter is the header by which a server asks to be asked again later. The REST
// client does that itself, up to ten times, and sleeps before each.
const retryAfter = "Retry-After"

// sentLocked says of a request that upstream may send it with a mutex held. If its client
// slept, whoever wants the mutex would wait for it in a way that virtual time does not
// count as waiting, and neither would end. Who sends it therefore gets the error at once,
// as after the last try, and goes on as it does then. These are:
//
//   - events of events.k8s.io. Every half hour client-go's broadcaster writes all series
//     that it knows with the mutex held that each new event takes, and at the same instant
//     it looks for series that are over (tools/events/event_broadcaster.go,
//     refreshExistingEventSeries and finishSeries). The recorder of v1 holds none.
//   - the taints of the node lifecycle controller, which holds its queue's lock (pkg/
//     controller/nodelifecycle/scheduler/rate_limited_queue.go, RateLimitedTimedQueue.Try).
//     The pass that changes the rate of evictions takes it too.
//   - the discovery of the controllers' mapper, which all of them share (client-go
//     restmapper/discovery.go, getDelegate, and discovery/cached/memory/memcache.go).
func sentLocked(req *http.Request) bool {
	switch r := requestOf(req); {
	case r.Resource == "events" && strings.HasPrefix(req.URL.Path, "/apis/events.k8s.io/"):
		return r.Verb == "patch" || r.Verb == "create"
	case r.Component == "node-controller":
		return r.Resource == "nodes" && (r.Verb == "get" || r.Verb == "patch")
	default:
		return r.Component == "controller-discovery"
	}
}
