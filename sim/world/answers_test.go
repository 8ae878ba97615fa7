package world

import (
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAnswers(t *testing.T) {
	type set struct {
		call   call
		answer Answer
	}
	all, onA := call{"c", "", attaching}, call{"c", "a", attaching}
	for name, tc := range map[string]struct {
		said []set
		want codes.Code
	}{
		"nothing is said":                      {want: codes.OK},
		"every node":                           {said: []set{{all, Fail}}, want: codes.Internal},
		"this node":                            {said: []set{{onA, Fail}}, want: codes.Internal},
		"this node, unlike the others":         {said: []set{{all, Fail}, {onA, Work}}, want: codes.OK},
		"every node, after this one":           {said: []set{{onA, Fail}, {all, Work}}, want: codes.OK},
		"another node, operation and class":    {said: []set{{call{"c", "b", attaching}, Fail}, {call{"c", "a", detaching}, Fail}, {call{"d", "", attaching}, Fail}}, want: codes.OK},
		"every node detaches, this one stays":  {said: []set{{onA, Fail}, {call{"c", "", detaching}, Work}}, want: codes.Internal},
		"failing, then working for every node": {said: []set{{all, Fail}, {all, Work}}, want: codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAnswers()
			for _, s := range tc.said {
				a.set(s.call, s.answer)
			}
			if err := a.await(t.Context(), onA); status.Code(err) != tc.want {
				t.Errorf("got %v, want code %s", err, tc.want)
			}
		})
	}
}

func TestACallHangsUntilItIsAnswered(t *testing.T) {
	for answer, want := range map[Answer]codes.Code{Work: codes.OK, Fail: codes.Internal} {
		t.Run(string(answer), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c := newAnswers(), call{"c", "a", attaching}
				a.set(c, Hang)
				var got error
				answered := false
				go func() { got, answered = a.await(t.Context(), c), true }()
				synctest.Wait()
				a.set(call{"c", "b", attaching}, answer)
				synctest.Wait()
				if answered {
					t.Fatalf("answered: %v", got)
				}
				a.set(c, answer)
				synctest.Wait()
				if !answered || status.Code(got) != want {
					t.Errorf("answered %t with %v, want code %s", answered, got, want)
				}
			})
		})
	}
}
