package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	waits       = []Waits{AfterReady, AfterGone}
	claimStates = []ClaimState{ClaimBound, ClaimPending, ClaimLost, ClaimAbsent}
	// workloadKinds are those that make pods.
	workloadKinds = []string{"CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"}
)

// validatePromises checks what is expected of sets and of what they have: names, order,
// addresses, volumes.
func validatePromises(e *Expectation, until time.Duration, p *field.Path) field.ErrorList {
	errs := validateWorkloads(e.Workloads, p.Child("workloads"))
	errs = append(errs, validateOrders(e.Creations, AfterReady, until, p.Child("creations"))...)
	errs = append(errs, validateOrders(e.Deletions, "", until, p.Child("deletions"))...)
	errs = append(errs, validateDNS(e.DNS, until, p.Child("dns"))...)
	return append(errs, validateClaims(e.Claims, p.Child("claims"))...)
}

func validateWorkloads(workloads []Workload, p *field.Path) field.ErrorList {
	errs := atMost(len(workloads), ExpectationsMax, p)
	seen := sets.New[string]()
	for i := range workloads {
		w, p := &workloads[i], p.Index(i)
		if !slices.Contains(workloadKinds, w.Kind) {
			errs = append(errs, field.NotSupported(p.Child("kind"), w.Kind, workloadKinds))
		}
		errs = append(errs, validateName(w.Name, p.Child("name"))...)
		errs = append(errs, unique(seen, w.Kind+" "+QualifiedName(w.Name), p.Child("name"))...)
		errs = append(errs, atMost(len(w.PodNames), ExpectationsMax, p.Child("podNames"))...)
		names := sets.New[string]()
		for j, name := range w.PodNames {
			errs = append(errs, formed(name, p.Child("podNames").Index(j), validation.IsDNS1123Subdomain)...)
			errs = append(errs, unique(names, name, p.Child("podNames").Index(j))...)
		}
		for _, n := range []struct {
			field string
			n     *int
		}{{"pods", w.Pods}, {"unavailable", w.Unavailable}, {"names", w.Names}, {"addresses", w.Addresses}, {"volumes", w.Volumes}} {
			errs = append(errs, notNegative(n.n, p.Child(n.field))...)
		}
	}
	return errs
}

// validateOrders: only what is asked of creations is limited, to what they can wait for.
func validateOrders(orders []Order, only Waits, until time.Duration, p *field.Path) field.ErrorList {
	errs := atMost(len(orders), ExpectationsMax, p)
	for i := range orders {
		o, p := &orders[i], p.Index(i)
		errs = append(errs, validateNames(o.Pods, 2, p.Child("pods"))...)
		switch {
		case o.Each == "":
		case !slices.Contains(waits, o.Each):
			errs = append(errs, field.NotSupported(p.Child("each"), o.Each, waits))
		case only != "" && o.Each != only:
			errs = append(errs, field.NotSupported(p.Child("each"), o.Each, []Waits{only}))
		}
		if o.ReadyFor != nil {
			errs = append(errs, validateLength(o.ReadyFor.Duration, p.Child("readyFor"))...)
			if o.Each != AfterReady {
				errs = append(errs, field.Forbidden(p.Child("readyFor"), "goes with each: AfterReady"))
			}
		}
		errs = append(errs, validateTime(o.From, until, p.Child("from"))...)
	}
	return errs
}

// validateNames checks a list of different [namespace/]names.
func validateNames(names []string, least int, p *field.Path) field.ErrorList {
	errs := atMost(len(names), ExpectationsMax, p)
	if len(names) < least {
		errs = append(errs, field.Invalid(p, len(names), fmt.Sprintf("want at least %d", least)))
	}
	seen := sets.New[string]()
	for i, name := range names {
		errs = append(errs, validateName(name, p.Index(i))...)
		errs = append(errs, unique(seen, QualifiedName(name), p.Index(i))...)
	}
	return errs
}

func validateDNS(resolutions []Resolution, until time.Duration, p *field.Path) field.ErrorList {
	errs := atMost(len(resolutions), ExpectationsMax, p)
	for i := range resolutions {
		r, p := &resolutions[i], p.Index(i)
		errs = append(errs, formed(r.Name, p.Child("name"), isRecordName)...)
		errs = append(errs, validateTime(r.At, until, p.Child("at"))...)
		errs = append(errs, validateNames(r.Pods, 0, p.Child("pods"))...)
		if (len(r.Pods) > 0) == r.Nothing {
			errs = append(errs, field.Invalid(p, given(len(r.Pods) > 0, r.Nothing), "want exactly one of pods and nothing: true"))
		}
	}
	return errs
}

// isRecordName allows the underscores of ports, and the dot at the end of a whole name.
func isRecordName(name string) []string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	for i, label := range labels {
		labels[i] = strings.TrimPrefix(label, "_")
	}
	return validation.IsDNS1123Subdomain(strings.ToLower(strings.Join(labels, ".")))
}

func validateClaims(claims []Claim, p *field.Path) field.ErrorList {
	errs := atMost(len(claims), ExpectationsMax, p)
	seen := sets.New[string]()
	for i := range claims {
		c, p := &claims[i], p.Index(i)
		errs = append(errs, validateName(c.Name, p.Child("name"))...)
		errs = append(errs, unique(seen, QualifiedName(c.Name), p.Child("name"))...)
		if c.State != "" && !slices.Contains(claimStates, c.State) {
			errs = append(errs, field.NotSupported(p.Child("state"), c.State, claimStates))
		}
		errs = append(errs, notNegative(c.Volumes, p.Child("volumes"))...)
	}
	return errs
}

// validateTime: a time that lies after the run never comes.
func validateTime(at *metav1.Duration, until time.Duration, p *field.Path) field.ErrorList {
	if at == nil {
		return nil
	}
	errs := validateLength(at.Duration, p)
	if afterEnd(at.Duration, until) {
		errs = append(errs, field.Invalid(p, at.Duration.String(), "after the end of the run, at "+until.String()))
	}
	return errs
}
