package uninstall

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
)

// installed is what the manifests of a folder install.
func installed(t *testing.T, folder string) []*resource.Resource {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../../../manifests/"+folder)
	if err != nil {
		t.Fatal(err)
	}
	return built.Resources()
}

// TestWhatIsInstalledIsFound: an object that it does not look for would stay behind.
func TestWhatIsInstalledIsFound(t *testing.T) {
	known := slices.Concat(policies, others, []kind{deployments, namespaces})
	for _, folder := range []string{"base", "overlays/only-scheduler"} {
		for _, r := range installed(t, folder) {
			if r.GetName() == crdName {
				continue
			}
			if r.GetLabels()["app.kubernetes.io/part-of"] != "holdfast" {
				t.Errorf("%s: %s %s has not the label %s", folder, r.GetKind(), r.GetName(), PartOf)
			}
			gvk := r.GetGvk()
			found := slices.ContainsFunc(known, func(k kind) bool {
				plural, _ := meta.UnsafeGuessKindToResource(schema.GroupVersionKind{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind})
				return k.GroupVersionResource == plural && (r.GetNamespace() == "" || slices.Contains(k.in, r.GetNamespace()))
			})
			if !found {
				t.Errorf("%s: %s %s in %q is not looked for", folder, r.GetKind(), r.GetName(), r.GetNamespace())
			}
			if r.GetKind() == "Namespace" && r.GetName() != Namespace {
				t.Errorf("%s: namespace %s, want %s", folder, r.GetName(), Namespace)
			}
		}
	}
}

func TestALeaseCountsUntilItHasLastedWithoutRenewal(t *testing.T) {
	at := metav1.NewMicroTime(time.Unix(1000, 0)) // The holder's clock may be years away.
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "holdfast-guard"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To("a"), RenewTime: &at, LeaseDurationSeconds: ptr.To[int32](15)},
	}
	seen := map[string]renewal{}
	if got := holderOf(lease, seen); got != "a" {
		t.Errorf("at first sight the holder is %q", got)
	}
	seen[lease.Name] = renewal{at, time.Now().Add(-16 * time.Second)}
	if got := holderOf(lease, seen); got != "" {
		t.Errorf("16 s without a renewal the holder is %q", got)
	}
	later := metav1.NewMicroTime(time.Unix(1001, 0))
	lease.Spec.RenewTime = &later
	if got := holderOf(lease, seen); got != "a" {
		t.Errorf("after a renewal the holder is %q", got)
	}
	lease.Spec.HolderIdentity = ptr.To("")
	if got := holderOf(lease, seen); got != "" {
		t.Errorf("given back, the holder is %q", got)
	}
}

// TestAPodThatSomebodyWroteIsJudgedAgain: the plan may be minutes old.
func TestAPodThatSomebodyWroteIsJudgedAgain(t *testing.T) {
	key := types.NamespacedName{Namespace: "shop", Name: "db-0"}
	pod := func(change func(*v1.Pod)) *v1.Pod {
		p := &v1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-0", UID: "u", Finalizers: []string{"other", v1alpha1.PodFinalizer}},
			Spec:       v1.PodSpec{NodeName: "a"},
		}
		change(p)
		return p
	}
	for name, tc := range map[string]struct {
		// written is the pod as somebody wrote it since; nil: nobody did.
		written func(*v1.Pod)
		// always: somebody writes it before every attempt.
		always  bool
		wantErr string
		patches int
	}{
		"nobody did":                        {patches: 1},
		"a label":                           {written: func(p *v1.Pod) { p.Labels = map[string]string{"a": "b"} }, patches: 2},
		"somebody else took it off":         {written: func(p *v1.Pod) { p.Finalizers = nil }, patches: 1},
		"somebody writes it all the time":   {written: func(*v1.Pod) {}, always: true, wantErr: "somebody else wrote it", patches: attemptsMax},
		"its deletion was forced, unproven": {written: forced, wantErr: "nothing proves that its containers stopped", patches: 1},
	} {
		t.Run(name, func(t *testing.T) {
			stored := pod(func(*v1.Pod) {})
			if tc.written != nil {
				tc.written(stored)
			}
			kube := fake.NewClientset(stored)
			patches := 0
			kube.PrependReactor("patch", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
				patches++
				if tc.written != nil && (patches == 1 || tc.always) {
					return true, nil, apierrors.NewConflict(v1.Resource("pods"), "db-0", errors.New("it was written"))
				}
				return true, stored, nil
			})
			r := &removal{&cluster.Cluster{Kube: kube}, Options{}, &Plan{read: &cluster.Read{
				Pods: map[types.NamespacedName]*v1.Pod{key: pod(func(*v1.Pod) {})}, PodsRead: true,
			}}}
			err := r.letPodGo(t.Context(), key)
			if (err == nil) != (tc.wantErr == "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("got %v, want %q", err, tc.wantErr)
			}
			if patches != tc.patches {
				t.Errorf("%d patches, want %d", patches, tc.patches)
			}
		})
	}
}

func forced(p *v1.Pod) {
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = ptr.To(metav1.Now()), ptr.To[int64](0)
}

func TestTheFinalizersOfOthersStay(t *testing.T) {
	patch := without(&metav1.ObjectMeta{UID: "u", ResourceVersion: "7", Finalizers: []string{"other", v1alpha1.PodFinalizer}}, v1alpha1.PodFinalizer)
	if want := `{"metadata":{"finalizers":["other"],"resourceVersion":"7","uid":"u"}}`; string(patch) != want {
		t.Errorf("got %s, want %s", patch, want)
	}
}

func TestWhatHasNoWordIsNotPassedOver(t *testing.T) {
	p := &Plan{Refusals: []Refusal{{Word: HeldIdentities}, {Word: ProfileInUse}, {}}}
	if got := p.Refused(Words); len(got) != 1 || got[0].Word != "" {
		t.Errorf("got %+v", got)
	}
	if got := p.Refused([]string{HeldIdentities}); len(got) != 2 {
		t.Errorf("got %+v", got)
	}
	if got := p.Refused(nil); len(got) != 3 {
		t.Errorf("got %+v", got)
	}
}
