package guard_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/config/scheme"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/guard"
)

// TestKubeletsAreAskedWhereThatIsWantedAndProves: the object of a pod is gone and its
// last state proves nothing; what its kubelet says is all that there is.
func TestKubeletsAreAskedWhereThatIsWantedAndProves(t *testing.T) {
	list := func(items string) string { return `{"kind":"PodList","apiVersion":"v1","items":[` + items + `]}` }
	ofTheAPI := func(uid, node string) string {
		return fmt.Sprintf(`{"metadata":{"uid":%q,"annotations":{"kubernetes.io/config.source":"api"}},"spec":{"nodeName":%q}}`, uid, node)
	}
	thePod := func(uid string) string { return list(ofTheAPI(uid, "a")) }
	others := func(string) string { return list(ofTheAPI("other", "a")) }
	for name, tc := range map[string]struct {
		// unasked: observeKubelets is off.
		unasked bool
		// pods and running are what the kubelet answers about the pod.
		pods, running func(uid string) string
		code          int
		node          func(*v1.Node)
		want          bool
		// wantQuiet: the kubelet is not even asked.
		wantQuiet bool
	}{
		"it has no such pod and runs none": {want: true},
		"it is not to be asked":            {unasked: true, wantQuiet: true},
		"it still has the pod":             {pods: thePod},
		"it has heard of no pod yet":       {pods: func(string) string { return list("") }},
		"it is another node's kubelet":     {pods: func(string) string { return list(ofTheAPI("other", "b")) }},
		"its container still runs":         {running: thePod},
		"its answer is an error":           {code: http.StatusInternalServerError},
		"its answer is no list of pods":    {running: func(string) string { return `{}` }},
		"its answer is half of one":        {pods: func(string) string { return `{"kind":"PodList"` }},
		"the node is not Ready":            {node: becomes(v1.ConditionUnknown), wantQuiet: true},
		"it is too old to be trusted (H7)": {node: func(n *v1.Node) { n.Status.NodeInfo.KubeletVersion = "v1.34.1" }},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(c *cluster) error {
				args := scheme.Default()
				args.ObserveKubelets = !tc.unasked
				defer c.guards(guard.Options{Args: args})()
				if err := c.runningPod(); err != nil {
					return err
				}
				pod, err := c.pod()
				if err != nil {
					return err
				}
				var asked atomic.Int32
				c.api.ServeKubelets(func(node string) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						asked.Add(1)
						answer := map[string]func(string) string{"/pods": tc.pods, "/runningpods/": tc.running}[r.URL.Path]
						if tc.code != 0 {
							w.WriteHeader(tc.code)
						}
						if answer == nil {
							answer = others
						}
						fmt.Fprint(w, answer(string(pod.UID)))
					})
				})
				if tc.node != nil {
					if err := c.edit(tc.node)(); err != nil {
						return err
					}
				}
				if err := steps(func() error { return c.strip(v1alpha1.PodFinalizer) }, func() error { return c.deletePod(0) }); err != nil {
					return err
				}
				if tc.want {
					return c.must("it is released", func(r *v1alpha1.Tenancy, p *v1.Pod) bool {
						return over(r, v1alpha1.Observed) && r.Status.Evidence.Source == "kubelet of node a"
					})
				}
				time.Sleep(time.Second)
				if err := c.mustStay("it holds", func(r *v1alpha1.Tenancy, _ *v1.Pod) bool { return is(r, v1alpha1.InDoubt) }); err != nil {
					return err
				}
				if n := asked.Load(); tc.wantQuiet != (n == 0) {
					return fmt.Errorf("the kubelet was asked %d times, want none: %t", n, tc.wantQuiet)
				}
				if n := asked.Load(); n > 100 {
					return fmt.Errorf("the kubelet was asked %d times in %s", n, patience)
				}
				return nil
			})
		})
	}
}
