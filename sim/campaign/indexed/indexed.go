// Package indexed has the shards of a campaign run as an Indexed Job of a cluster: each
// index is a shard and leaves its report as a ConfigMap, and one command adds them up.
//
// It is a ConfigMap because every cluster has them. A volume that all pods write needs
// storage with ReadWriteMany, which many clusters lack; a termination message ends at
// 4 KiB, which a report has with a few runs to look at; and logs go with the pod and its
// node. A ConfigMap holds 1 MiB: runs to look at that do not fit are counted instead of
// listed.
package indexed

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/holdfast-dev/holdfast/sim/campaign"
)

// What a pod of the Job must have in its environment. The Job controller sets the index;
// the rest is for the Job's template, by the downward API.
const (
	indexVariable     = "JOB_COMPLETION_INDEX"
	namespaceVariable = "POD_NAMESPACE"
	jobVariable       = "JOB_NAME"
	uidVariable       = "JOB_UID"
)

const (
	// reportKey is where a ConfigMap has the report.
	reportKey = "report.json"
	// reportMax leaves room in a ConfigMap's 1 MiB for all that is not the report.
	reportMax = 1000 << 10
	// leaveMax is how long an API server that does not answer is asked again: an upgrade of
	// a control plane takes minutes, and a shard that is lost has run for hours.
	leaveMax   = 15 * time.Minute
	leavePause = 5 * time.Second
)

// Shard is one index of the Job, as its pod knows it.
type Shard struct {
	// Namespace and Job name the Job; UID tells it from an earlier one of the name.
	Namespace, Job string
	UID            types.UID
	// Index is from 0, and Of how many there are.
	Index, Of int
}

// FromEnvironment is the shard that the environment says this process is, of so many.
func FromEnvironment(of int, getenv func(string) string) (Shard, error) {
	s := Shard{Of: of, Namespace: getenv(namespaceVariable), Job: getenv(jobVariable), UID: types.UID(getenv(uidVariable))}
	index, err := strconv.Atoi(getenv(indexVariable))
	if err != nil || index < 0 || index >= of {
		return s, fmt.Errorf("%s %q: must be a number from 0 to %d, as the pods of an Indexed Job with %d completions have it", indexVariable, getenv(indexVariable), of-1, of)
	}
	for _, name := range []string{namespaceVariable, jobVariable, uidVariable} {
		if getenv(name) == "" {
			return s, fmt.Errorf("%s is empty: the Job's template must set it, as manifests/campaign/job.yaml does", name)
		}
	}
	s.Index = index
	return s, nil
}

// Leave makes a ConfigMap of the report, which goes with the Job. Creating is all that it
// needs to be allowed: the name has the Job's UID, so what is there under it already is
// the report of the same runs, by a pod of the index that died before it could say so.
func (s Shard) Leave(ctx context.Context, client kubernetes.Interface, r *campaign.Report) error {
	data, err := r.Within(reportMax)
	if err != nil {
		return err
	}
	labels := map[string]string{
		"app.kubernetes.io/name":    "holdfast-campaign",
		"app.kubernetes.io/part-of": "holdfast",
		batchv1.ControllerUidLabel:  string(s.UID),
		batchv1.JobNameLabel:        s.Job,
	}
	left := &v1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: fmt.Sprintf("%s-%d-%s", s.Job, s.Index, s.UID), Labels: labels,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job", Name: s.Job, UID: s.UID}},
		},
		Data: map[string]string{reportKey: string(data)},
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, leavePause, leaveMax, true, func(ctx context.Context) (bool, error) {
		_, last = client.CoreV1().ConfigMaps(s.Namespace).Create(ctx, left, metav1.CreateOptions{})
		switch {
		case last == nil, apierrors.IsAlreadyExists(last):
			return true, nil
		case apierrors.IsForbidden(last), apierrors.IsInvalid(last), apierrors.IsNotFound(last), apierrors.IsRequestEntityTooLargeError(last):
			return false, last // It would be the same again.
		}
		return false, nil
	})
	if err != nil && last != nil {
		err = last
	}
	if err != nil {
		return fmt.Errorf("leaving the report as ConfigMap %s/%s: %w", s.Namespace, left.Name, err)
	}
	return nil
}

// Collect adds up what the shards of a Job have left. Missing are the indexes that have
// left nothing; the report is nil if none has.
func Collect(ctx context.Context, client kubernetes.Interface, namespace, name string) (r *campaign.Report, missing []int, err error) {
	job, err := client.BatchV1().Jobs(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, nil, err
	}
	if job.Spec.CompletionMode == nil || *job.Spec.CompletionMode != batchv1.IndexedCompletion || job.Spec.Completions == nil {
		return nil, nil, fmt.Errorf("job %s/%s is not Indexed: it has no shards", namespace, name)
	}
	left, err := client.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{LabelSelector: fmt.Sprintf("%s=%s", batchv1.ControllerUidLabel, job.UID)})
	if err != nil {
		return nil, nil, err
	}
	var reports []*campaign.Report
	for i := range left.Items {
		r, err := campaign.ReadReport([]byte(left.Items[i].Data[reportKey]))
		if err != nil {
			return nil, nil, fmt.Errorf("ConfigMap %s/%s, %s: %w", namespace, left.Items[i].Name, reportKey, err)
		}
		reports = append(reports, r)
	}
	of := int(*job.Spec.Completions)
	for index := range of {
		has := func(r *campaign.Report) bool {
			return slices.ContainsFunc(r.Parts, func(p campaign.Part) bool { return p.Shard == index+1 && p.Shards == of })
		}
		if !slices.ContainsFunc(reports, has) {
			missing = append(missing, index)
		}
	}
	if len(reports) == 0 {
		return nil, missing, nil
	}
	r, err = campaign.Merge(reports)
	return r, missing, err
}
