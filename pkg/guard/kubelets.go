package guard

import (
	"context"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	"github.com/holdfast-dev/holdfast/pkg/fence"
)

// kubeletTooOld reports whether the node says that its kubelet is one of those that may
// start a deleted pod again from a stale list (H7). One that says nothing has only just
// registered.
func kubeletTooOld(node *v1.Node) bool {
	return node != nil && node.Status.NodeInfo.KubeletVersion != "" && fence.StaleBoot(node)
}

// warnOfKubelets tells of every node whose kubelet is too old for the promise, once in
// the life of the process. Only who leads does.
func (g *Guard) warnOfKubelets(ctx context.Context) {
	for {
		name, shutdown := g.oldKubelets.Get()
		if shutdown {
			return
		}
		if node := g.nodes.get(name); kubeletTooOld(node) && g.toldKubelet.add(node.UID) {
			version := node.Status.NodeInfo.KubeletVersion
			klog.FromContext(ctx).Info("A kubelet is too old: it may start a deleted pod again", "node", name, "version", version)
			g.recorder.Eventf(&v1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: name, UID: node.UID}, nil,
				v1.EventTypeWarning, EventKubeletTooOld, actionWatching,
				"The kubelet %s is older than 1.35: after a restart it may start a deleted pod again from a stale list, even one that it reported to be over. Holdfast cannot promise that no ordinal of this node runs twice.", version)
		}
		g.oldKubelets.Done(name)
	}
}
