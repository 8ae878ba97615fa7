package dns

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// service is web in the namespace shop, with a named port http and one without a name.
func service(clusterIPs ...string) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	s.Spec.ClusterIP, s.Spec.ClusterIPs = clusterIPs[0], clusterIPs
	s.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80}, {Port: 81}}
	return s
}

// endpoints is a slice of web's.
func endpoints(of ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-abc"}, Endpoints: of}
	s.Ports = []discoveryv1.EndpointPort{{Name: new("http"), Port: new(int32(8080)), Protocol: new(corev1.ProtocolTCP)}, {Name: new(""), Port: new(int32(81))}}
	return s
}

func of(pod string, ready *bool, addresses ...string) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{
		Addresses: addresses, Hostname: new(pod), Conditions: discoveryv1.EndpointConditions{Ready: ready},
		TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: pod},
	}
}

func TestRecords(t *testing.T) {
	yes, no := new(true), new(false)
	const web, http = "web.shop.svc.cluster.local", "_http._tcp.web.shop.svc.cluster.local"
	nameless := of("", yes, "10.1.0.9")
	nameless.Hostname = nil
	external := service("")
	external.Spec.Type, external.Spec.ExternalName = corev1.ServiceTypeExternalName, "DB.example.com."
	for name, tc := range map[string]struct {
		service   *corev1.Service
		endpoints []*discoveryv1.EndpointSlice
		want      []Record
	}{
		"a headless service has its ready endpoints, under its name and under theirs, and a record for each named port": {
			service: service("None"), endpoints: []*discoveryv1.EndpointSlice{endpoints(of("web-0", yes, "10.1.0.1"))},
			want: []Record{
				{http, SRV, "8080 web-0." + web, "shop/web-0"},
				{"web-0." + web, A, "10.1.0.1", "shop/web-0"},
				{web, A, "10.1.0.1", "shop/web-0"},
			},
		},
		"one that is not ready is not there": {
			service: service("None"), endpoints: []*discoveryv1.EndpointSlice{endpoints(of("web-0", no, "10.1.0.1"))},
		},
		"one of which nothing is known counts as ready": {
			service: service("None"), endpoints: []*discoveryv1.EndpointSlice{endpoints(of("web-0", nil, "10.1.0.1"))},
			want: []Record{
				{http, SRV, "8080 web-0." + web, "shop/web-0"},
				{"web-0." + web, A, "10.1.0.1", "shop/web-0"},
				{web, A, "10.1.0.1", "shop/web-0"},
			},
		},
		"two slices are one answer, and what both have stands there once": {
			service: service("None"),
			endpoints: []*discoveryv1.EndpointSlice{
				endpoints(of("web-0", yes, "10.1.0.1")), endpoints(of("web-0", yes, "10.1.0.1"), of("web-0", yes, "fd00::1")),
			},
			want: []Record{
				{http, SRV, "8080 web-0." + web, "shop/web-0"},
				{"web-0." + web, A, "10.1.0.1", "shop/web-0"},
				{"web-0." + web, AAAA, "fd00::1", "shop/web-0"},
				{web, A, "10.1.0.1", "shop/web-0"},
				{web, AAAA, "fd00::1", "shop/web-0"},
			},
		},
		"an endpoint without a hostname is named after its address": {
			service: service("None"), endpoints: []*discoveryv1.EndpointSlice{endpoints(nameless)},
			want: []Record{
				{"10-1-0-9." + web, A, "10.1.0.9", "shop/"},
				{http, SRV, "8080 10-1-0-9." + web, "shop/"},
				{web, A, "10.1.0.9", "shop/"},
			},
		},
		"what is no address has no record": {
			service: service("None"), endpoints: []*discoveryv1.EndpointSlice{endpoints(of("web-0", yes, "host.example.com"))},
		},
		"a service with an address has it, whoever is behind it": {
			service: service("10.0.0.7", "fd00::7"), endpoints: []*discoveryv1.EndpointSlice{endpoints(of("web-0", yes, "10.1.0.1"))},
			want: []Record{
				{http, SRV, "80 " + web, ""},
				{web, A, "10.0.0.7", ""},
				{web, AAAA, "fd00::7", ""},
			},
		},
		"an external name is another name": {
			service: external, want: []Record{{web, CNAME, "db.example.com", ""}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Records(tc.service, tc.endpoints); !slices.Equal(got, tc.want) {
				t.Errorf("got\n\t%v\nwant\n\t%v", got, tc.want)
			}
		})
	}
}

func TestQualify(t *testing.T) {
	for name, tc := range map[string]struct{ name, want string }{
		"a pod of a service": {"web-0.web", "web-0.web.shop.svc.cluster.local"},
		"a service":          {"web", "web.shop.svc.cluster.local"},
		"a port":             {"_http._tcp.web", "_http._tcp.web.shop.svc.cluster.local"},
		"with its namespace, and so with svc too": {"web-0.web.other.svc", "web-0.web.other.svc.cluster.local"},
		"whole, with the dot at its end":          {"Web.other.svc.cluster.local.", "web.other.svc.cluster.local"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Qualify(tc.name, "shop"); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
