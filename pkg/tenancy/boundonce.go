package tenancy

import "github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"

// BoundOnce tells whether an incarnation of the identity is known to have been
// bound, ever. False proves nothing: no write of its own is spent on it, and a record
// that is Occupied says only that a bind was about to be tried (write ahead).
func BoundOnce(record *v1alpha1.Tenancy) bool {
	return record != nil && boundOnce(record.Status)
}

// boundOnce reads what older versions of Holdfast wrote too: they had the containers
// and the evidence, and not yet the field.
func boundOnce(status v1alpha1.TenancyStatus) bool {
	return status.BoundOnce ||
		status.Incarnation != nil && status.Incarnation.ContainerSeen ||
		status.Evidence != nil && status.Evidence.Kind != v1alpha1.NeverBound
}

// bound is the status of an incarnation that was found bound.
func bound(status v1alpha1.TenancyStatus, err error) (v1alpha1.TenancyStatus, error) {
	status.BoundOnce = err == nil
	return status, err
}
