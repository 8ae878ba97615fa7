package crd

import (
	"context"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/tenancy"
)

func tenancyVersion(t *testing.T) (*apiextensionsv1.CustomResourceDefinition, apiextensionsv1.CustomResourceDefinitionVersion) {
	t.Helper()
	crd, err := Tenancies()
	if err != nil {
		t.Fatal(err)
	}
	if len(crd.Spec.Versions) != 1 || crd.Spec.Versions[0].Name != v1alpha1.SchemeGroupVersion.Version {
		t.Fatalf("got the versions %+v, want %s alone", crd.Spec.Versions, v1alpha1.SchemeGroupVersion.Version)
	}
	return crd, crd.Spec.Versions[0]
}

func TestTheAPIServerAcceptsIt(t *testing.T) {
	crd, _ := tenancyVersion(t)
	apiextensionsv1.SetDefaults_CustomResourceDefinition(crd)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
	var internal apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, &internal, nil); err != nil {
		t.Fatal(err)
	}
	// The API server sets these itself.
	internal.Status.StoredVersions = []string{v1alpha1.SchemeGroupVersion.Version}
	for _, err := range validation.ValidateCustomResourceDefinition(context.Background(), &internal) {
		t.Error(err)
	}
}

func TestItIsTheTypeOfTheAPI(t *testing.T) {
	crd, version := tenancyVersion(t)
	if crd.Spec.Group != v1alpha1.GroupName || crd.Spec.Names.Kind != "Tenancy" || crd.Spec.Names.Plural != "tenancies" {
		t.Errorf("got group %s, names %+v", crd.Spec.Group, crd.Spec.Names)
	}
	if crd.Spec.Scope != apiextensionsv1.NamespaceScoped {
		t.Errorf("got scope %s, want it in its pod's namespace", crd.Spec.Scope)
	}
	// Without the subresource a status would travel with a create, and a metadata
	// update could rewrite it.
	if version.Subresources == nil || version.Subresources.Status == nil {
		t.Error("no status subresource")
	}
	var columns []string
	for _, c := range version.AdditionalPrinterColumns {
		columns = append(columns, c.Name)
	}
	if len(columns) == 0 || columns[0] != "Phase" {
		t.Errorf("got the columns %v", columns)
	}
}

// TestTheSchemaHasTheLimitsOfTheCode: a list that the code lets grow further than
// the API server does would make every later write of the record fail.
func TestTheSchemaHasTheLimitsOfTheCode(t *testing.T) {
	_, version := tenancyVersion(t)
	root := version.Schema.OpenAPIV3Schema
	incarnation := root.Properties["status"].Properties["incarnation"]
	nodes := incarnation.Properties["nodes"]
	tests := map[string]struct {
		schema apiextensionsv1.JSONSchemaProps
		want   int64
	}{
		"candidate nodes": {nodes, tenancy.NodesMax},
		"boots":           {nodes.Items.Schema.Properties["bootIDs"], tenancy.BootIDsMax},
		"later boots":     {nodes.Items.Schema.Properties["laterBootIDs"], tenancy.LaterBootIDsMax},
		"volumes":         {incarnation.Properties["volumes"], tenancy.VolumesMax},
		"attestations":    {root.Properties["spec"].Properties["attestations"], tenancy.AttestationsMax},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.schema.MaxItems == nil || *tc.schema.MaxItems != tc.want {
				t.Errorf("the schema allows %v, the code %d", tc.schema.MaxItems, tc.want)
			}
		})
	}
}

func TestTheSchemaKnowsThePhasesOfTheCode(t *testing.T) {
	_, version := tenancyVersion(t)
	got := map[string]bool{}
	for _, v := range version.Schema.OpenAPIV3Schema.Properties["status"].Properties["phase"].Enum {
		got[string(v.Raw)] = true
	}
	for _, phase := range []v1alpha1.Phase{v1alpha1.Vacant, v1alpha1.Occupied, v1alpha1.InDoubt, v1alpha1.Over} {
		if !got[`"`+string(phase)+`"`] {
			t.Errorf("the schema does not know %s", phase)
		}
		delete(got, `"`+string(phase)+`"`)
	}
	if len(got) > 0 {
		t.Errorf("the schema knows %v beyond the code", got)
	}
}
