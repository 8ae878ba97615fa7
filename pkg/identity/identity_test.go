package identity

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
)

func TestOf(t *testing.T) {
	yes, no := true, false
	owner := func(apiVersion, kind, name string, controller *bool) metav1.OwnerReference {
		return metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: name, Controller: controller}
	}
	set := owner("apps/v1", "StatefulSet", "web", &yes)
	tests := map[string]struct {
		name   string
		owners []metav1.OwnerReference
		want   Identity
		wantOK bool
	}{
		"a pod of a set has its set's name and its ordinal": {
			name: "web-0", owners: []metav1.OwnerReference{set},
			want: Identity{Namespace: "shop", Set: "web", Ordinal: 0}, wantOK: true,
		},
		"a set's name may itself end in a number": {
			name: "web-1-12", owners: []metav1.OwnerReference{owner("apps/v1", "StatefulSet", "web-1", &yes)},
			want: Identity{Namespace: "shop", Set: "web-1", Ordinal: 12}, wantOK: true,
		},
		"another version of the group owns it just the same": {
			name: "web-3", owners: []metav1.OwnerReference{owner("apps/v2", "StatefulSet", "web", &yes)},
			want: Identity{Namespace: "shop", Set: "web", Ordinal: 3}, wantOK: true,
		},
		"the largest ordinal fits": {
			name: "web-2147483647", owners: []metav1.OwnerReference{set},
			want: Identity{Namespace: "shop", Set: "web", Ordinal: 2147483647}, wantOK: true,
		},
		"a controller is found among other owners": {
			name: "web-0", owners: []metav1.OwnerReference{owner("v1", "ConfigMap", "x", nil), set},
			want: Identity{Namespace: "shop", Set: "web"}, wantOK: true,
		},
		"a pod without an owner has none":                  {name: "web-0"},
		"an owner that is not the controller does not do":  {name: "web-0", owners: []metav1.OwnerReference{owner("apps/v1", "StatefulSet", "web", &no)}},
		"a Deployment's pod has none":                      {name: "web-0", owners: []metav1.OwnerReference{owner("apps/v1", "ReplicaSet", "web", &yes)}},
		"a StatefulSet of another group is another kind":   {name: "web-0", owners: []metav1.OwnerReference{owner("apps.example.com/v1", "StatefulSet", "web", &yes)}},
		"a StatefulSet of the core group does not exist":   {name: "web-0", owners: []metav1.OwnerReference{owner("v1", "StatefulSet", "web", &yes)}},
		"a name of another set has none":                   {name: "db-0", owners: []metav1.OwnerReference{set}},
		"a name without an ordinal has none":               {name: "web-", owners: []metav1.OwnerReference{set}},
		"a name that ends in letters has none":             {name: "web-a", owners: []metav1.OwnerReference{set}},
		"leading zeros are another name":                   {name: "web-00", owners: []metav1.OwnerReference{set}},
		"a sign is another name":                           {name: "web-+1", owners: []metav1.OwnerReference{set}},
		"a negative ordinal has none":                      {name: "web--1", owners: []metav1.OwnerReference{set}},
		"an ordinal that does not fit in 32 bits has none": {name: "web-2147483648", owners: []metav1.OwnerReference{set}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: tc.name, OwnerReferences: tc.owners}}
			got, ok := Of(pod)
			if got != tc.want || ok != tc.wantOK {
				t.Fatalf("got %+v, %v, want %+v, %v", got, ok, tc.want, tc.wantOK)
			}
			if ok && got.Name() != tc.name {
				t.Errorf("its name is %q, want the pod's own %q", got.Name(), tc.name)
			}
		})
	}
}

func TestOtherKindsAreAsConfigured(t *testing.T) {
	yes := true
	kruise := config.ControllerKind{Group: "apps.kruise.io", Kind: "StatefulSet"}
	for name, tc := range map[string]struct {
		apiVersion, kind string
		others           []config.ControllerKind
		want             bool
	}{
		"another kind that nobody configured":          {"apps.kruise.io/v1beta1", "StatefulSet", nil, false},
		"another kind that is configured":              {"apps.kruise.io/v1beta1", "StatefulSet", []config.ControllerKind{kruise}, true},
		"StatefulSets have one whatever is configured": {"apps/v1", "StatefulSet", []config.ControllerKind{kruise}, true},
		"another kind of the same group":               {"apps.kruise.io/v1beta1", "CloneSet", []config.ControllerKind{kruise}, false},
		"the same kind of another group":               {"example.com/v1", "StatefulSet", []config.ControllerKind{kruise}, false},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-3", OwnerReferences: []metav1.OwnerReference{
				{APIVersion: tc.apiVersion, Kind: tc.kind, Name: "web", Controller: &yes},
			}}}
			id, ok := Of(pod, tc.others...)
			if want := (Identity{Namespace: "shop", Set: "web", Ordinal: 3}); ok != tc.want || ok && id != want {
				t.Errorf("got %s, %t, want %t", id, ok, tc.want)
			}
		})
	}
}

func TestString(t *testing.T) {
	if got, want := (Identity{Namespace: "shop", Set: "web", Ordinal: 2}).String(), "shop/web-2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNamedAsksForNoOwner(t *testing.T) {
	for name, want := range map[string]Identity{
		"web-0":          {Namespace: "shop", Set: "web", Ordinal: 0},
		"web-blue-12":    {Namespace: "shop", Set: "web-blue", Ordinal: 12},
		"web":            {},
		"web-":           {},
		"-0":             {},
		"web--1":         {},
		"web-01":         {},
		"web-7f9c-x2k4p": {},
		"web-2147483648": {},
	} {
		got, ok := Named("shop", name)
		if got != want || ok != (want != Identity{}) {
			t.Errorf("%s: got %s, %t, want %s", name, got, ok, want)
		}
	}
}
