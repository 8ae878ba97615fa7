package protect

import (
	"testing"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

func annotated(word string) func(*v1.Pod) {
	return func(p *v1.Pod) { p.Annotations = map[string]string{v1alpha1.ProtectAnnotation: word} }
}

func withFinalizer(p *v1.Pod) { p.Finalizers = []string{v1alpha1.PodFinalizer} }

func withClaim(p *v1.Pod) {
	p.Spec.Volumes = []v1.Volume{{Name: "data", VolumeSource: v1.VolumeSource{
		PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: "data-web-0"}}}}
}

func TestWhoIsGuarded(t *testing.T) {
	for name, tc := range map[string]struct {
		profile     config.Protection
		edits       []func(*v1.Pod)
		want        Need
		wantUnknown bool
	}{
		"the profile's word, where the pod says nothing":            {profile: config.ProtectAll, want: Always},
		"a profile that protects nobody":                            {profile: config.ProtectNone, want: Never},
		"a profile that protects writers, and a pod without claims": {profile: config.ProtectWriters, want: Never},
		"a profile that protects writers, and a pod with one":       {profile: config.ProtectWriters, edits: []func(*v1.Pod){withClaim}, want: IfItWrites},
		"the annotation goes before the profile's All":              {profile: config.ProtectAll, edits: []func(*v1.Pod){annotated("None")}, want: Never},
		"the annotation goes before the profile's None":             {profile: config.ProtectNone, edits: []func(*v1.Pod){annotated("All")}, want: Always},
		"the annotation asks for writers":                           {profile: config.ProtectNone, edits: []func(*v1.Pod){annotated("Writers"), withClaim}, want: IfItWrites},
		"an annotation that is no word holds":                       {profile: config.ProtectNone, edits: []func(*v1.Pod){annotated("none")}, want: Always, wantUnknown: true},
		"an empty annotation is no word":                            {profile: config.ProtectNone, edits: []func(*v1.Pod){annotated("")}, want: Always, wantUnknown: true},
		"a profile's word that is none holds":                       {profile: "Some", want: Always, wantUnknown: true},
		"the finalizer is a duty whatever the annotation says":      {profile: config.ProtectNone, edits: []func(*v1.Pod){annotated("None"), withFinalizer}, want: Always},
		"the finalizer of one that may write nothing":               {profile: config.ProtectWriters, edits: []func(*v1.Pod){withFinalizer}, want: Always},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &v1.Pod{}
			for _, edit := range tc.edits {
				edit(pod)
			}
			if need, known := Of(pod, tc.profile); need != tc.want || known == tc.wantUnknown {
				t.Errorf("got %s, known %t; want %s, %t", need, known, tc.want, !tc.wantUnknown)
			}
		})
	}
}

func TestWritersHaveAClaimOfASingleWriter(t *testing.T) {
	use := func(modes ...v1.PersistentVolumeAccessMode) v1alpha1.VolumeUse {
		return v1alpha1.VolumeUse{Claim: "data-web-0", AccessModes: modes}
	}
	for name, tc := range map[string]struct {
		uses []v1alpha1.VolumeUse
		want bool
	}{
		"no claim":                          {nil, false},
		"a claim that many write":           {[]v1alpha1.VolumeUse{use(v1.ReadWriteMany)}, false},
		"a claim that is only read":         {[]v1alpha1.VolumeUse{use(v1.ReadOnlyMany)}, false},
		"a claim of one node":               {[]v1alpha1.VolumeUse{use(v1.ReadWriteOnce)}, true},
		"a claim of one pod":                {[]v1alpha1.VolumeUse{use(v1.ReadWriteOncePod)}, true},
		"a claim that may be either":        {[]v1alpha1.VolumeUse{use(v1.ReadWriteMany, v1.ReadWriteOnce)}, true},
		"one of several":                    {[]v1alpha1.VolumeUse{use(v1.ReadWriteMany), use(v1.ReadWriteOnce)}, true},
		"a claim of which nothing is known": {[]v1alpha1.VolumeUse{use()}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Writes(tc.uses); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}
