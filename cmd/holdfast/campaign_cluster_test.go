package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/sim/campaign"
	"github.com/holdfast-dev/holdfast/sim/engine"
	"github.com/holdfast-dev/holdfast/sim/loopback"
)

// campaignNamespace is that of manifests/campaign.
const campaignNamespace = "holdfast-campaign"

// farm is a cluster with the Job of manifests/campaign in it: a real API server with RBAC
// and pod security, and the real Job controller. There is no kubelet: the test runs a
// pod's command line itself, with the environment and the account that the pod gives it.
type farm struct {
	operated
}

// TestACampaignInACluster must run before any test that plays in this process, and so is
// in a file that comes first: a simulation takes variables of upstream for its own
// (sim/engine, adoptGlobals), and a real API server then finds them gone. It is the path from the manifests to the merged report. Its two
// runs are really played, each by its shard, and once more without any shards.
func TestACampaignInACluster(t *testing.T) {
	t.Setenv(playsFor, "1")
	engine.DiscardLogs()
	a := loopback.StartAPIServer(t, loopback.StartEtcd(t))
	f := &farm{operated: operated{APIServer: a, kube: kubernetes.NewForConfigOrDie(a.As("", "kubectl"))}}
	f.kubeconfig = writeKubeconfig(t, a.Admin)
	f.apply(t, "../../manifests/campaign")
	f.shorten(t)
	loopback.StartJobController(t, a)

	first, second := f.pod(t, 0), f.pod(t, 1)
	merge := []string{"sim", "fuzz", "merge", "--job", "campaign", "-n", campaignNamespace, "--kubeconfig", f.kubeconfig, "-o", "json"}
	var out, errOut bytes.Buffer
	if code := run(merge, &out, &errOut); code != exitUnmet || out.Len() > 0 || !strings.Contains(errOut.String(), "no report yet of index 0, 1: kubectl get pods -n holdfast-campaign") {
		t.Errorf("before there is a report: exit code %d: %s%s", code, out.String(), errOut.String())
	}
	f.play(t, first)
	errOut.Reset()
	if code := run(merge, &out, &errOut); code != exitUnmet || !strings.Contains(errOut.String(), "no report yet of index 1:") {
		t.Errorf("after the first: exit code %d: %s", code, errOut.String())
	}
	f.play(t, second)
	f.mayNothingElse(t, first)
	loopback.Until(t, "the Job is complete", func(ctx context.Context) error {
		j, err := f.kube.BatchV1().Jobs(campaignNamespace).Get(ctx, "campaign", metav1.GetOptions{})
		if err == nil && j.Status.CompletedIndexes != "0,1" {
			err = fmt.Errorf("it has %+v", j.Status)
		}
		return err
	})
	out.Reset()
	if code := run(merge, &out, &errOut); code != 0 {
		t.Fatalf("merge: exit code %d: %s", code, errOut.String())
	}
	merged := planned(t, out.Bytes())

	out.Reset()
	if code := run([]string{"sim", "fuzz", "--runs", "2", "--seed", shortSeed, "--schedulers", "holdfast", "--jobs", "1", "-o", "json"}, &out, &errOut); code != 0 {
		t.Fatalf("the whole: exit code %d: %s", code, errOut.String())
	}
	if whole := planned(t, out.Bytes()); merged != whole {
		t.Errorf("the shards:\n%s\nthe whole:\n%s", merged, whole)
	}
}

// shortSeed is a seed whose first two runs are short.
const shortSeed = "598"

// shorten puts a campaign of two runs in the place of the one that was applied.
func (f *farm) shorten(t *testing.T) {
	t.Helper()
	jobs := f.kube.BatchV1().Jobs(campaignNamespace)
	applied, err := jobs.Get(t.Context(), "campaign", metav1.GetOptions{})
	f.must(t, err)
	f.must(t, jobs.Delete(t.Context(), applied.Name, metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationBackground)}))
	short := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: applied.Name, Labels: applied.Labels}, Spec: applied.Spec}
	short.Spec.Selector = nil
	for _, label := range []string{batchv1.ControllerUidLabel, batchv1.JobNameLabel, "controller-uid", "job-name"} {
		delete(short.Spec.Template.Labels, label)
	}
	short.Spec.Completions = ptr.To[int32](2)
	args := short.Spec.Template.Spec.Containers[0].Args
	for i, arg := range args {
		for flag, value := range map[string]string{"--job-shards": "2", "--runs": "2", "--seed": shortSeed} {
			if strings.HasPrefix(arg, flag+"=") {
				args[i] = flag + "=" + value
			}
		}
	}
	short.Spec.Template.Spec.Containers[0].Args = append(args, "--schedulers=holdfast")
	loopback.Until(t, "the short campaign", func(ctx context.Context) error {
		_, err := jobs.Create(ctx, short, metav1.CreateOptions{})
		return err
	})
}

// pod is the one that the Job controller has made for an index.
func (f *farm) pod(t *testing.T, index int) *v1.Pod {
	t.Helper()
	var found *v1.Pod
	loopback.Until(t, fmt.Sprintf("the pod of index %d", index), func(ctx context.Context) error {
		job, err := f.kube.BatchV1().Jobs(campaignNamespace).Get(ctx, "campaign", metav1.GetOptions{})
		if err != nil {
			return err
		}
		pods, err := f.kube.CoreV1().Pods(campaignNamespace).List(ctx, metav1.ListOptions{LabelSelector: batchv1.ControllerUidLabel + "=" + string(job.UID)})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(pods.Items, func(p v1.Pod) bool {
			return p.Annotations[batchv1.JobCompletionIndexAnnotation] == strconv.Itoa(index)
		})
		if i < 0 {
			return fmt.Errorf("there are %d pods; the Job has %+v", len(pods.Items), job.Status)
		}
		found = &pods.Items[i]
		return nil
	})
	return found
}

// account is the kubeconfig of the pod's account, with a token of the pod's own.
func (f *farm) account(t *testing.T, pod *v1.Pod) string {
	t.Helper()
	request, err := f.kube.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(t.Context(), pod.Spec.ServiceAccountName, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	f.must(t, err)
	return writeKubeconfig(t, &rest.Config{
		Host: f.Admin.Host, BearerToken: request.Status.Token,
		TLSClientConfig: rest.TLSClientConfig{CAData: f.Admin.CAData, ServerName: f.Admin.ServerName},
	})
}

// play runs a pod's command line as a kubelet has a container run it, and ends the pod.
func (f *farm) play(t *testing.T, pod *v1.Pod) {
	t.Helper()
	container := pod.Spec.Containers[0]
	for _, e := range container.Env {
		value := e.Value
		if e.ValueFrom != nil {
			var err error
			value, err = fieldpath.ExtractFieldPathAsString(pod, e.ValueFrom.FieldRef.FieldPath)
			f.must(t, err)
		}
		t.Setenv(e.Name, value)
	}
	t.Setenv("KUBECONFIG", f.account(t, pod))
	var out, errOut bytes.Buffer
	if code := run(container.Args, &out, &errOut); code != 0 {
		t.Fatalf("%s: exit code %d: %s%s", strings.Join(container.Args, " "), code, out.String(), errOut.String())
	}
	if index := os.Getenv("JOB_COMPLETION_INDEX"); !strings.Contains(out.String(), "2 runs of seed "+shortSeed) {
		t.Errorf("index %s says in its log:\n%s", index, out.String())
	}
	ended := pod.DeepCopy()
	ended.Status.Phase = v1.PodSucceeded
	_, err := f.kube.CoreV1().Pods(pod.Namespace).UpdateStatus(t.Context(), ended, metav1.UpdateOptions{})
	f.must(t, err)
}

// mayNothingElse: what the account of a shard may is to create a ConfigMap there.
func (f *farm) mayNothingElse(t *testing.T, pod *v1.Pod) {
	t.Helper()
	config := f.As("system:serviceaccount:"+pod.Namespace+":"+pod.Spec.ServiceAccountName, "shard")
	shard := kubernetes.NewForConfigOrDie(config).CoreV1()
	_, listed := shard.ConfigMaps(pod.Namespace).List(t.Context(), metav1.ListOptions{})
	_, elsewhere := shard.ConfigMaps("default").Create(t.Context(), &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, metav1.CreateOptions{})
	_, pods := shard.Pods(pod.Namespace).List(t.Context(), metav1.ListOptions{})
	for what, err := range map[string]error{"list ConfigMaps": listed, "create one elsewhere": elsewhere, "list pods": pods} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("a shard may %s: %v", what, err)
		}
	}
}

// planned is what of a report its plans say beforehand. How often a hold met a fault is not
// of it: goroutines do not run in the same order twice.
func planned(t *testing.T, data []byte) string {
	t.Helper()
	r, err := campaign.ReadReport(data)
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	said := fmt.Sprintf("%v, passed %t\n", r.Parts, r.Passed)
	for i := range r.Sides {
		s := &r.Sides[i]
		said += fmt.Sprintf("%s: %d runs, %d hung, %d failed, %s, %d steps, violations %v\n", s.Scheduler, s.Runs, s.Hung, s.Failed, s.Virtual.Duration, s.Steps, s.Violations)
		for _, name := range slices.Sorted(maps.Keys(s.Families)) {
			said += fmt.Sprintf("%s: %d runs\n", name, s.Families[name].Runs)
		}
	}
	return said
}

func TestAShardOfAJobMustKnowWhichItIs(t *testing.T) {
	job := map[string]string{"POD_NAMESPACE": "n", "JOB_NAME": "j", "JOB_UID": "u", "JOB_COMPLETION_INDEX": "7"}
	for want, change := range map[string][]string{
		`JOB_COMPLETION_INDEX "": must be a number from 0 to 7`:  {"JOB_COMPLETION_INDEX", ""},
		`JOB_COMPLETION_INDEX "8": must be a number from 0 to 7`: {"JOB_COMPLETION_INDEX", "8"},
		`JOB_UID is empty: the Job's template must set it`:       {"JOB_UID", ""},
		`--job-shards: not with --shard, --run or --print`:       {"", "", "--shard", "1/2"},
		`--job-shards -1: must be 1 or more`:                     {"", "", "--job-shards", "-1"},
	} {
		for name, value := range job {
			t.Setenv(name, value)
		}
		if change[0] != "" {
			t.Setenv(change[0], change[1])
		}
		var out, errOut bytes.Buffer
		args := append([]string{"sim", "fuzz", "--job-shards", "8"}, change[2:]...)
		if code := run(args, &out, &errOut); code != exitInput || !strings.Contains(errOut.String(), want) {
			t.Errorf("exit code %d, said %q; want 2 and %q", code, errOut.String(), want)
		}
	}
}
