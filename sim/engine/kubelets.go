package engine

import (
	"net/http"
	"strings"
)

// ServeKubelets lets the API server's node proxy reach kubelets: whatever is asked of
// /api/v1/nodes/NAME/proxy/PATH is answered by the handler for NAME, with PATH. It
// stands before the API server, whose own proxy needs sockets and certificates; what
// it does besides, to find the node's address, is not part of it. A nil handler is a
// node that is not there.
func (a *APIServer) ServeKubelets(kubelet func(node string) http.Handler) {
	a.kubelets.Store(&kubelet)
}

// withKubelets serves the node proxy, and leaves the rest to the API server.
func (a *APIServer) withKubelets(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		node, path, proxied := nodeProxy(r.URL.Path)
		of := a.kubelets.Load()
		if !proxied || of == nil {
			api.ServeHTTP(w, r)
			return
		}
		kubelet := (*of)(node)
		if kubelet == nil {
			http.NotFound(w, r)
			return
		}
		to := r.Clone(r.Context())
		to.URL.Path = path
		kubelet.ServeHTTP(w, to)
	})
}

// nodeProxy reads the path of a request to a node's proxy.
func nodeProxy(path string) (node, rest string, ok bool) {
	after, found := strings.CutPrefix(path, "/api/v1/nodes/")
	if !found {
		return "", "", false
	}
	node, rest, found = strings.Cut(after, "/proxy/")
	return node, "/" + rest, found && !strings.Contains(node, "/")
}
