package tenancy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestClaimsOfAPodAreNamedOnceEach(t *testing.T) {
	claim := func(volume, name string) v1.Volume {
		return v1.Volume{Name: volume, VolumeSource: v1.VolumeSource{
			PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: name}}}
	}
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "db-0"},
		Spec: v1.PodSpec{Volumes: []v1.Volume{
			claim("wal", "wal-db-0"),
			{Name: "tmp", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}},
			claim("data", "data-db-0"),
			{Name: "scratch", VolumeSource: v1.VolumeSource{Ephemeral: &v1.EphemeralVolumeSource{}}},
			claim("data-again", "data-db-0"),
		}},
	}
	want := []string{"wal-db-0", "data-db-0", "db-0-scratch"}
	if diff := cmp.Diff(want, ClaimsOf(pod)); diff != "" {
		t.Errorf("(-want,+got):\n%s", diff)
	}
	if claims := ClaimsOf(&v1.Pod{}); len(claims) != 0 {
		t.Errorf("a pod without volumes uses %v", claims)
	}
}
