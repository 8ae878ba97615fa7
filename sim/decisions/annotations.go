package decisions

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// annotationPrefix begins the keys of kube-scheduler-simulator.
const annotationPrefix = "kube-scheduler-simulator.sigs.k8s.io/"

// historyKey has the results of the attempts before the last.
const historyKey = annotationPrefix + "result-history"

// annotationBytesMax is what the API server allows all annotations of an object
// (apimachinery pkg/api/validation, TotalAnnotationSizeLimitB).
const annotationBytesMax = 256 << 10

// Annotate adds to a pod's annotations what its attempts said, in their order, as
// kube-scheduler-simulator has it: the last as it is, those before as a history, of
// which the oldest are dropped where there is no room.
func Annotate(annotations map[string]string, attempts []Attempt) map[string]string {
	if len(attempts) == 0 {
		return annotations
	}
	annotations = maps.Clone(annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	last := len(attempts) - 1
	maps.Copy(annotations, resultsOf(&attempts[last]))
	size := len(historyKey)
	for k, v := range annotations {
		size += len(k) + len(v)
	}
	var history []map[string]string
	for i := last - 1; i >= 0; i-- {
		results := resultsOf(&attempts[i])
		if size += len(text(text(results))); size > annotationBytesMax {
			break
		}
		history = append(history, results)
	}
	if len(history) > 0 {
		slices.Reverse(history)
		annotations[historyKey] = text(history)
	}
	return annotations
}

// resultsOf are the annotations of one attempt.
func resultsOf(a *Attempt) map[string]string {
	results := map[string]string{
		"prefilter-result-status": text(orEmpty(a.PreFilter)),
		"prefilter-result":        text(orEmpty(a.PreFilterNodes)),
		"filter-result":           text(orEmpty(a.Filter)),
		"postfilter-result":       text(nominations(a)),
		"prescore-result":         text(orEmpty(a.PreScore)),
		"score-result":            text(inStrings(a.Score)),
		"finalscore-result":       text(inStrings(a.Final)),
		"reserve-result":          text(orEmpty(a.Reserve)),
		"permit-result":           text(orEmpty(a.Permit)),
		"permit-result-timeout":   text(orEmpty(a.PermitTimeout)),
		"prebind-result":          text(orEmpty(a.PreBind)),
		"bind-result":             text(orEmpty(a.Bind)),
	}
	if a.SelectedNode != "" {
		results["selected-node"] = a.SelectedNode
	}
	prefixed := make(map[string]string, len(results))
	for key, value := range results {
		prefixed[annotationPrefix+key] = value
	}
	return prefixed
}

// nominations are by node: of a plugin that nominates none there is nothing to show.
func nominations(a *Attempt) ByNode {
	if a.NominatedNode == "" {
		return ByNode{}
	}
	return ByNode{a.NominatedNode: a.PostFilter}
}

func inStrings(s Scores) ByNode {
	all := ByNode{}
	for node, scores := range s {
		all[node] = ByPlugin{}
		for plugin, score := range scores {
			all[node][plugin] = strconv.FormatInt(score, 10)
		}
	}
	return all
}

// orEmpty: what is not there is {}, never null.
func orEmpty[M ~map[string]V, V any](m M) M {
	if m == nil {
		return M{}
	}
	return m
}

func text(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // Strings alone.
	}
	return string(data)
}
