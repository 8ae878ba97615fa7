package main

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapifilters "k8s.io/apiserver/pkg/endpoints/filters"
	apirequest "k8s.io/apiserver/pkg/endpoints/request"
	genericfilters "k8s.io/apiserver/pkg/server/filters"
	"k8s.io/apiserver/pkg/server/flagz"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/apiserver/pkg/server/mux"
	"k8s.io/apiserver/pkg/server/routes"
	"k8s.io/apiserver/pkg/server/statusz"
	"k8s.io/apiserver/pkg/util/compatibility"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/component-base/configz"
	"k8s.io/component-base/logs"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/component-base/metrics/prometheus/slis"
	zpagesfeatures "k8s.io/component-base/zpages/features"
	schedulerserverconfig "k8s.io/kubernetes/cmd/kube-scheduler/app/config"
	"k8s.io/kubernetes/pkg/scheduler/metrics/resources"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/pkg/guard"
)

// serveEndAllowance is how long answers may take that were asked for before the end.
const serveEndAllowance = 5 * time.Second

// serve answers on the secure port what kube-scheduler answers there, with the state
// of the guard in the health checks. The server of app.Run has no place for them: it
// makes its list of checks itself (cmd/kube-scheduler/app/server.go). A process that
// looked well while its guard was stuck would keep deletions waiting for ever. So
// this takes the port from app.Run, which serves nothing where there is none.
//
// The function that it returns ends the server, and waits for that.
func serve(ctx context.Context, s *scheduler, g *guardOptions, x *guard.Guard) (end func(), err error) {
	port := s.config.SecureServing
	if port == nil {
		return func() {}, nil
	}
	s.config.SecureServing = nil
	stop := make(chan struct{})
	ended, _, err := port.Serve(filtered(s.config, pages(s.config, checksOf(ctx, s, g, x))), serveEndAllowance, stop)
	if err != nil {
		close(stop)
		return nil, err
	}
	return func() {
		close(stop)
		<-ended
	}, nil
}

// checks are what the answers of /healthz and /livez, and of /readyz, depend on.
type checks struct {
	live, ready []healthz.HealthChecker
}

// checksOf has the two leases and the guard's work in both. A process is ready when
// it has seen everything once, whether it leads or stands by, until ctx ends.
func checksOf(ctx context.Context, s *scheduler, g *guardOptions, x *guard.Guard) checks {
	check := func(name string, err func() error) healthz.HealthChecker {
		return healthz.NamedCheck(name, func(*http.Request) error { return err() })
	}
	handlersSynced := make(chan struct{})
	go func() {
		if s.scheduler.WaitForHandlersSync(ctx) == nil {
			close(handlersSynced)
		}
	}()
	var c checks
	if s.config.LeaderElection != nil {
		c.live = append(c.live, s.config.LeaderElection.WatchDog)
	}
	c.live = append(c.live, healthz.NamedCheck("guard-lease", g.watchDog.Check), check("guard-work", x.Stuck))
	c.ready = append(c.ready, c.live...)
	c.ready = append(c.ready, healthz.NewShutdownHealthz(ctx.Done()), check("guard-sync", x.Synced),
		check("sched-handler-sync", func() error {
			select {
			case <-handlersSynced:
				return nil
			default:
				return errors.New("the scheduler has not yet handled all that it listed")
			}
		}))
	return c
}

// pages are the paths of kube-scheduler.
func pages(c *schedulerserverconfig.CompletedConfig, health checks) http.Handler {
	m := mux.NewPathRecorderMux(programName)
	healthz.InstallHandler(m, health.live...)
	healthz.InstallLivezHandler(m, health.live...)
	healthz.InstallReadyzHandler(m, health.ready...)
	m.Handle("/metrics", legacyregistry.HandlerWithReset())
	m.Handle("/metrics/resources", ofLeader(c, resources.Handler(c.InformerFactory.Core().V1().Pods().Lister())))
	slis.SLIMetricsWithReset{}.Install(m)
	configz.InstallHandler(m)
	if c.ComponentConfig.EnableProfiling {
		if c.ComponentConfig.EnableContentionProfiling {
			runtime.SetBlockProfileRate(1)
		}
		routes.Profiling{}.Install(m)
		routes.DebugFlags{}.Install(m, "v", routes.StringFlagPutHandler(logs.GlogSetter))
	}
	if c.Flagz != nil && utilfeature.DefaultFeatureGate.Enabled(zpagesfeatures.ComponentFlagz) {
		flagz.Install(m, programName, c.Flagz)
	}
	if utilfeature.DefaultFeatureGate.Enabled(zpagesfeatures.ComponentStatusz) {
		statusz.Install(m, programName, statusz.NewRegistry(compatibility.DefaultBuildEffectiveVersion(), statusz.WithListedPaths(m.ListedPaths())))
	}
	return m
}

// ofLeader answers with nothing unless this process leads among the schedulers: what
// pods ask for would else be told by every replica. The lease says who leads; the
// elector of app.Run tells nobody.
func ofLeader(c *schedulerserverconfig.CompletedConfig, then http.Handler) http.Handler {
	if c.LeaderElection == nil {
		return then
	}
	election := c.ComponentConfig.LeaderElection
	leases := c.Client.CoordinationV1().Leases(election.ResourceNamespace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lease, err := leases.Get(r.Context(), election.ResourceName, metav1.GetOptions{})
		if err == nil && ptr.Deref(lease.Spec.HolderIdentity, "") == c.LeaderElection.Lock.Identity() {
			then.ServeHTTP(w, r)
		}
	})
}

// filtered lets through who may ask, as kube-scheduler does: whoever for health,
// whom the API server knows and allows for the rest.
func filtered(c *schedulerserverconfig.CompletedConfig, h http.Handler) http.Handler {
	kinds := &apirequest.RequestInfoFactory{}
	h = genericapifilters.WithAuthorization(h, c.Authorization.Authorizer, scheme.Codecs)
	h = genericapifilters.WithAuthentication(h, c.Authentication.Authenticator, genericapifilters.Unauthorized(scheme.Codecs), nil, nil)
	h = genericapifilters.WithRequestInfo(h, kinds)
	h = genericapifilters.WithCacheControl(h)
	h = genericfilters.WithHTTPLogging(h)
	return genericfilters.WithPanicRecovery(h, kinds)
}
