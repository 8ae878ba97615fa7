package world

import (
	"encoding/json"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// KubeletServer is what the kubelet of a node serves, as the API server's proxy reaches
// it: its pods, and what the runtime runs (pkg/kubelet/server, getPods and
// getRunningPods). Nil if there is no such node. Nobody answers over a link that is cut.
func (w *World) KubeletServer(node string) http.Handler {
	m := w.byName[node]
	if m == nil {
		return nil
	}
	return http.HandlerFunc(m.serveKubelet)
}

func (m *machine) serveKubelet(w http.ResponseWriter, r *http.Request) {
	if m.link.silent() {
		_ = sleep(r.Context(), dialTimeout) // Either way there is no answer.
		http.Error(w, "dial "+m.nodeIP()+": i/o timeout", http.StatusBadGateway)
		return
	}
	if !m.mu.TryLock() {
		// A fault is at work. To wait for it would be to wait for what waits for us.
		http.Error(w, "dial "+m.nodeIP()+": connection refused", http.StatusBadGateway)
		return
	}
	kubelet := m.kubelet
	m.mu.Unlock()
	var uids []types.UID
	switch r.URL.Path {
	case "/pods":
		uids = kubelet.config.uids()
	case "/runningpods/":
		uids = m.runtime.running()
	default:
		http.NotFound(w, r)
		return
	}
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}
	for _, uid := range uids {
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}}
		if r.URL.Path == "/pods" { // The runtime knows of neither.
			pod.Annotations = map[string]string{"kubernetes.io/config.source": "api"}
			pod.Spec.NodeName = m.spec.Name
		}
		list.Items = append(list.Items, pod)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list) // The writer is memory.
}
