package report

import (
	"strings"
	"testing"
)

func TestTextTellsNamesAndOtherPods(t *testing.T) {
	const web = "web.default.svc.cluster.local"
	app := Pod{Name: "default/app-x", Kind: "Deployment", Maker: "default/app", Node: "a-0", Created: *instant(1), Ready: instant(3), Addresses: []Address{{Value: "10.0.0.9"}}}
	many := Name{Name: "web-1." + web, Type: "A", Pod: "default/web-1"}
	for i := range answersToldMax + 1 {
		many.Answers = append(many.Answers, Answer{From: *seconds(i), Values: []string{"10.0.0.1"}})
	}
	run := Run{
		Scheduler: "default", Ordinals: []Ordinal{{Name: "default/web-0"}, {Name: "default/web-1"}},
		Pods: []Pod{podOf("web-0", 1, 0, 1, -1, -1), app}, Unseen: []string{"3 more pods"},
		DNS: []Name{
			{Name: "_http._tcp." + web, Type: "SRV", Answers: []Answer{
				{From: *seconds(1), Values: []string{"80 web-1." + web}}, {From: *seconds(2), Values: []string{"80 web-0." + web, "80 web-1." + web}}, {From: *seconds(5), Values: []string{"80 web-1." + web}},
			}},
			{Name: "web-0." + web, Type: "A", Pod: "default/web-0", Answers: []Answer{{From: *seconds(2), Values: []string{"10.0.0.2"}}, {From: *seconds(5), Values: []string{}}}},
			many,
			{Name: web, Type: "A", Answers: []Answer{{From: *seconds(2), Values: []string{"10.0.0.2"}}}}, // Of no ordinal alone.
		},
	}
	p := &printer{}
	p.promises(&run)
	const want = `
  ordinal  name in DNS                               record  resolved to
  web-0    web-0.web.default.svc.cluster.local       A       10.0.0.2 from 2s, nothing from 5s
  web-0    _http._tcp.web.default.svc.cluster.local  SRV     port 80 from 2s, nothing from 5s
  web-1    web-1.web.default.svc.cluster.local       A       ..., 10.0.0.1 from 1s, 10.0.0.1 from 2s, 10.0.0.1 from 3s, 10.0.0.1 from 4s, 10.0.0.1 from 5s, 10.0.0.1 from 6s
  web-1    _http._tcp.web.default.svc.cluster.local  SRV     port 80 from 1s

  other pod  made by         node  address   created  ready  gone
  app-x      Deployment app  a-0   10.0.0.9  1s       3s     -
  not written down: 3 more pods
`
	if got := p.out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	none := &printer{}
	none.promises(&Run{Ordinals: run.Ordinals})
	if got := strings.TrimSpace(none.out.String()); got != "" {
		t.Errorf("of a run without services: %s", got)
	}
}
