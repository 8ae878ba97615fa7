package engine

import (
	stdjson "encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
)

// mergeOpenAPI answers /openapi/v3 for both servers, as kube-aggregator does in a
// real API server: one index, and each group and version from the server that has it.
func mergeOpenAPI(kube, extensions http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := strings.CutPrefix(r.URL.Path, "/openapi/v3")
		if !ok {
			kube.ServeHTTP(w, r)
			return
		}
		paths, extended := openAPIPaths(kube, r), openAPIPaths(extensions, r)
		if group := strings.Trim(path, "/"); group != "" {
			if _, own := paths[group]; !own && extended[group] != nil {
				extensions.ServeHTTP(w, r)
				return
			}
			kube.ServeHTTP(w, r)
			return
		}
		for group, document := range extended {
			if _, own := paths[group]; !own {
				paths[group] = document
			}
		}
		w.Header().Set("Content-Type", json)
		_ = stdjson.NewEncoder(w).Encode(openAPIIndex{Paths: paths}) // The client has gone away; nobody is left to tell.
	})
}

type openAPIIndex struct {
	Paths map[string]stdjson.RawMessage `json:"paths"`
}

func openAPIPaths(server http.Handler, r *http.Request) map[string]stdjson.RawMessage {
	q := r.Clone(r.Context())
	q.URL.Path, q.URL.RawQuery, q.RequestURI = "/openapi/v3", "", "/openapi/v3"
	q.Header = http.Header{"Accept": {json}}
	w := httptest.NewRecorder()
	server.ServeHTTP(w, q)
	index := openAPIIndex{}
	if err := stdjson.Unmarshal(w.Body.Bytes(), &index); err != nil || index.Paths == nil {
		return map[string]stdjson.RawMessage{} // A server that has no index adds nothing to it.
	}
	return index.Paths
}
