package cluster

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

func TestErrorsSayWhatToDo(t *testing.T) {
	tenancies := v1alpha1.Resource("tenancies")
	forbidden := func(resource schema.GroupResource, why string) error {
		return apierrors.NewForbidden(resource, "db-0", errors.New(why))
	}
	for name, tc := range map[string]struct {
		err error
		// want is a part of what is said, not one that is not in it.
		want, not string
	}{
		"the API server knows no tenancies": {
			err:  apierrors.NewGenericServerResponse(404, "GET", tenancies, "", "404 page not found", 0, true),
			want: "kubectl apply -k manifests",
		},
		"there is no such tenancy": {
			err: apierrors.NewNotFound(tenancies, "db-0"), want: `"db-0" not found`, not: "install",
		},
		"a record that may not be read": {
			err: forbidden(tenancies, "no"), want: "ClusterRole holdfast-view",
		},
		"a record that may not be written, wrapped": {
			err: fmt.Errorf("write tenancy shop/db-0: %w", forbidden(tenancies, "no")), want: "ClusterRole holdfast-attestor",
		},
		"a word that the policy refuses": {
			err:  forbidden(tenancies, "ValidatingAdmissionPolicy 'attestation.holdfast.dev' denied request: by must be ann"),
			want: "by must be ann", not: "ClusterRole",
		},
		"what no role of Holdfast's allows": {
			err: forbidden(v1.Resource("pods"), "no"), want: "pods", not: "ClusterRole",
		},
		"credentials that do not count": {
			err: apierrors.NewUnauthorized("no"), want: "credentials of the kubeconfig",
		},
		"nobody answers": {
			err:  &url.Error{Op: "Get", URL: "http://localhost:8080", Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}},
			want: "is its address right",
		},
		"any other": {err: errors.New("it rains"), want: "it rains", not: "address"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Explain(tc.err)
			if got == nil || !strings.Contains(got.Error(), tc.want) || tc.not != "" && strings.Contains(got.Error(), tc.not) {
				t.Errorf("got %v, want %q in it, and not %q", got, tc.want, tc.not)
			}
		})
	}
	if Explain(nil) != nil {
		t.Error("no error became one")
	}
}
