package order

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

const (
	timeoutMin = time.Second
	timeoutMax = 24 * time.Hour
)

// Policy is what is asked of the order in which one pod is bound.
type Policy struct {
	Order config.BindOrder
	// Timeout is how long after its creation the pod waits at most; 0: for ever. It is
	// counted from the creation, which every scheduler and every restart sees alike.
	Timeout time.Duration
}

// PolicyOf returns the policy of a pod with these annotations. An annotation that is
// not there, or cannot be read, leaves the profile's value: order keeps nobody from
// harm, so a slip of the pen is no reason to keep a pod from its node. The error
// names every annotation that cannot be read.
func PolicyOf(annotations map[string]string, profile Policy) (Policy, error) {
	policy := profile
	var errs []error
	if word, said := annotations[v1alpha1.BindOrderAnnotation]; said {
		switch order := config.BindOrder(word); order {
		case config.BindOrdinal, config.BindOrdinalReady, config.BindUnordered:
			policy.Order = order
		default:
			errs = append(errs, fmt.Errorf("annotation %s is %q, and neither %s, %s nor %s", v1alpha1.BindOrderAnnotation, word,
				config.BindOrdinal, config.BindOrdinalReady, config.BindUnordered))
		}
	}
	if word, said := annotations[v1alpha1.BindOrderTimeoutAnnotation]; said {
		timeout, err := time.ParseDuration(word)
		if err == nil && (timeout == 0 || timeout >= timeoutMin && timeout <= timeoutMax) {
			policy.Timeout = timeout
		} else {
			errs = append(errs, fmt.Errorf("annotation %s is %q, and neither 0s nor a duration from 1s to 24h", v1alpha1.BindOrderTimeoutAnnotation, word))
		}
	}
	return policy, errors.Join(errs...)
}
