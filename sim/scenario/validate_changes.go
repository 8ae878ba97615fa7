package scenario

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes/scheme"
)

// cascades are what can become of what a deleted object owns.
var cascades = []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan}

// validateChange checks what users change during the run. The manifest of an apply is
// decode's to check.
func validateChange(s *Step, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s.Apply != nil {
		errs = append(errs, validateObject(s.Apply, p.Child("apply"))...)
	}
	if c := s.Scale; c != nil {
		p := p.Child("scale")
		errs = append(errs, validateName(c.StatefulSet, p.Child("statefulSet"))...)
		if c.Replicas < 0 || c.Replicas > ReplicasMax {
			errs = append(errs, field.Invalid(p.Child("replicas"), c.Replicas, inRange(0, ReplicasMax)))
		}
	}
	if d := s.DeleteObject; d != nil {
		errs = append(errs, validateDeleteObject(d, p.Child("deleteObject"))...)
	}
	return errs
}

func validateDeleteObject(d *DeleteObject, p *field.Path) field.ErrorList {
	errs := append(notEmpty(d.APIVersion, p.Child("apiVersion")), notEmpty(d.Kind, p.Child("kind"))...)
	switch namespace, short := SplitName(d.Name); {
	case len(errs) > 0:
	case !scheme.Scheme.Recognizes(schema.FromAPIVersionAndKind(d.APIVersion, d.Kind)):
		errs = append(errs, field.Invalid(p.Child("kind"), d.Kind, "kind "+d.Kind+" of "+d.APIVersion+" is not known"))
	case !clusterScoped.Has(d.Kind):
		errs = append(errs, validateName(d.Name, p.Child("name"))...)
	case namespace != metav1.NamespaceDefault:
		errs = append(errs, field.Invalid(p.Child("name"), d.Name, "objects of kind "+d.Kind+" have no namespace"))
	default:
		errs = append(errs, formed(short, p.Child("name"), validation.IsDNS1123Subdomain)...)
	}
	if d.Cascade != "" && !slices.Contains(cascades, d.Cascade) {
		errs = append(errs, field.NotSupported(p.Child("cascade"), d.Cascade, cascades))
	}
	return errs
}
