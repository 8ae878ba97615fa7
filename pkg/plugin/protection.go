package plugin

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/identity"
	"github.com/holdfast-dev/holdfast/pkg/protect"
)

// protects returns the identity of a pod that is to be guarded. Whom a pod waits for
// does not depend on it: an unguarded replacement of an unclean incarnation is held
// like any other.
func (pl *Holdfast) protects(ctx context.Context, pod *v1.Pod) (identity.Identity, bool, error) {
	id, managed := identity.Of(pod, pl.args.Controllers...)
	if !managed {
		return identity.Identity{}, false, nil
	}
	need, known := protect.Of(pod, pl.args.Protect)
	if !known {
		pl.announceUnknownProtection(pod)
	}
	if need == protect.Always {
		return id, true, nil
	}
	// The scheduler's copy may be older than the finalizer, or than the annotation.
	live, err := pl.read(ctx, pod)
	if err != nil {
		return identity.Identity{}, false, err
	}
	if need, _ = protect.Of(live, pl.args.Protect); need != protect.IfItWrites {
		return id, need == protect.Always, nil
	}
	uses, err := pl.volumesLive(ctx, pod)
	if err != nil {
		return identity.Identity{}, false, err
	}
	return id, protect.Writes(uses), nil
}

// volumesLive has the pod's claims, read live: a claim that was made anew under its name
// may have another writer than the cache shows, and without a record nothing would hold
// the next incarnation.
func (pl *Holdfast) volumesLive(ctx context.Context, pod *v1.Pod) ([]v1alpha1.VolumeUse, error) {
	return volumesBy(pod, func(name string) (*v1.PersistentVolumeClaim, error) {
		return pl.kube.CoreV1().PersistentVolumeClaims(pod.Namespace).Get(ctx, name, metav1.GetOptions{})
	})
}

// announceUnknownProtection tells the user that the annotation is not understood.
func (pl *Holdfast) announceUnknownProtection(pod *v1.Pod) {
	pl.recorder.Eventf(pod, nil, v1.EventTypeWarning, EventUnknownProtection, actionScheduling, "%s", note(fmt.Sprintf(
		"The annotation %s is none of All, Writers and None, and counts as All: %q.", v1alpha1.ProtectAnnotation, pod.Annotations[v1alpha1.ProtectAnnotation])))
}
