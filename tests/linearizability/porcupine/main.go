// Command porcupine reads the history of many counters as lines of JSON and says of each whether it is linearizable.
//
// It knows nothing of how the histories came about, and shares no code with the check beside it.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// plainLimit is how long one entity is searched without the third shortcut of the model.
const plainLimit = time.Second

// op is one call: an add of one, answered with the new total, or a read. What ends at the greatest time has no answer.
type op struct {
	Entity string `json:"entity"`
	Kind   string `json:"kind"`
	Client int    `json:"client"`
	Began  int64  `json:"began_ns"`
	Ended  int64  `json:"ended_ns"`
	Total  int64  `json:"total"`
}

func (o op) answered() bool { return o.Ended < math.MaxInt64 }

type verdict struct {
	Entity  string `json:"entity"`
	Verdict string `json:"verdict"`
	Ops     int    `json:"ops"`
	Ordered bool   `json:"ordered"`
}

func main() {
	seconds := flag.Int("seconds", 10, "how long to search for an order of one entity's ops once that of a second has failed")
	ordered := flag.Bool("ordered", false, "do not even try the plain search")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, time.Duration(*seconds)*time.Second, *ordered); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, limit time.Duration, alwaysOrdered bool) error {
	histories, err := read(in)
	if err != nil {
		return err
	}
	entities := make([]string, 0, len(histories))
	for entity := range histories {
		entities = append(entities, entity)
	}
	slices.Sort(entities)
	encoder := json.NewEncoder(out)
	for _, entity := range entities {
		history := histories[entity]
		result, ordered := porcupine.Unknown, alwaysOrdered
		if !ordered {
			result = porcupine.CheckOperationsTimeout(counter(history, ordered), operations(history), plainLimit)
			ordered = result == porcupine.Unknown
		}
		if ordered {
			result = porcupine.CheckOperationsTimeout(counter(history, ordered), operations(history), limit)
		}
		if err := encoder.Encode(verdict{entity, string(result), len(history), ordered}); err != nil {
			return err
		}
	}
	return nil
}

func read(in io.Reader) (map[string][]op, error) {
	histories := make(map[string][]op)
	decoder := json.NewDecoder(bufio.NewReader(in))
	for {
		var one op
		switch err := decoder.Decode(&one); {
		case errors.Is(err, io.EOF):
			return histories, nil
		case err != nil:
			return nil, err
		case one.Kind != "add" && one.Kind != "read":
			return nil, fmt.Errorf("no op of a counter: %q", one.Kind)
		}
		histories[one.Entity] = append(histories[one.Entity], one)
	}
}

func operations(history []op) []porcupine.Operation {
	found := make([]porcupine.Operation, 0, len(history))
	for _, one := range history {
		found = append(found, porcupine.Operation{
			ClientId: one.Client, Input: one.Kind, Call: one.Began, Output: one, Return: one.Ended,
		})
	}
	return found
}

// state is a counter's total, and how many reads have seen it.
type state struct {
	total int64
	reads int
}

// counter is the model. Three things keep the search from trying what cannot be, and none changes which histories are
// accepted: nothing is added to a total before all who were answered it have read it; an add without an answer does not
// make a total that another add was answered, since no total is made twice; and once the highest total that anyone saw
// is reached such an add does nothing, as if it had never happened.
//
// Where that is not enough, a fourth is `ordered`: the adds without an answer take effect in the order in which they
// began. Of two that took effect the other way round, the later one may as well have stood in the place of the first.
func counter(history []op, ordered bool) porcupine.Model {
	claimed, readers, highest := make(map[int64]bool), make(map[int64]int), int64(0)
	var unknown []int64 // when the adds without an answer began
	for _, one := range history {
		switch {
		case !one.answered():
			unknown = append(unknown, one.Began)
			continue
		case one.Kind == "add":
			claimed[one.Total] = true
		default:
			readers[one.Total]++
		}
		highest = max(highest, one.Total)
	}
	slices.Sort(unknown)
	makers := make(map[int64]int64) // a total that was not answered, and when the add that makes it began
	for total := int64(1); total <= highest && len(makers) < len(unknown); total++ {
		if !claimed[total] {
			makers[total] = unknown[len(makers)]
		}
	}
	step := func(now state, one op) (bool, state) {
		next := now.total + 1
		switch {
		case one.Kind == "read":
			return one.Total == now.total, state{now.total, now.reads + 1}
		case !one.answered() && now.total == highest:
			return true, now
		case now.reads < readers[now.total]:
			return false, now
		case one.answered():
			return one.Total == next, state{next, 0}
		case ordered:
			return makers[next] == one.Began, state{next, 0}
		default:
			return !claimed[next], state{next, 0}
		}
	}
	return porcupine.Model{
		Init: func() interface{} { return state{} },
		Step: func(now, _, output interface{}) (bool, interface{}) { return both(step(now.(state), output.(op))) },
		Hash: func(now interface{}) uint64 { return uint64(now.(state).total) },
	}
}

func both(fits bool, next state) (bool, interface{}) { return fits, next }
