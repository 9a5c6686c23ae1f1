use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn at(base: Instant, seconds: u64) -> Instant {
    base + Duration::from_secs(seconds)
}

/// The arrows of an ordinary life, with what each makes the task do.
#[test]
fn a_container_is_started_initialised_paused_resumed_and_removed() {
    let now = Instant::now();
    let (first, second) = (RunId(1), RunId(2));
    let open = |active| State::Running(Running::Open { active });
    let arrows = [
        (Event::Start, State::Starting, vec![Effect::Create]),
        (Event::Created, State::Started, vec![]),
        (
            Event::Run(first),
            State::Running(Running::Opening {
                opening: Opening::Initializing(first),
                waiting: vec![],
            }),
            vec![Effect::Init(first)],
        ),
        (
            Event::Initialized(first),
            open(1),
            vec![Effect::Begin(first)],
        ),
        (
            Event::RunEnded(first),
            State::Ready { since: now },
            vec![Effect::Arm(Timer::PauseGrace, now)],
        ),
        (
            Event::Elapsed(Timer::PauseGrace, now),
            State::Pausing { waiting: vec![] },
            vec![Effect::Pause],
        ),
        (
            Event::Paused,
            State::Paused { since: now },
            vec![Effect::Arm(Timer::IdleTimeout, now)],
        ),
        (
            Event::Run(second),
            State::Running(Running::Opening {
                opening: Opening::Resuming,
                waiting: vec![second],
            }),
            vec![Effect::Resume],
        ),
        (Event::Resumed, open(1), vec![Effect::Begin(second)]),
        (
            Event::RunSpoiled(second),
            State::Removing(Leaving {
                active: 0,
                destruction: Destruction::Underway,
            }),
            vec![Effect::Close, Effect::Destroy],
        ),
        (
            Event::Destroyed,
            State::Removing(Leaving {
                active: 0,
                destruction: Destruction::Done,
            }),
            vec![Effect::Gone],
        ),
    ];
    let mut state = State::Uninitialized;
    for (event, next, effects) in arrows {
        let done = step(1, state, event, now);
        assert_eq!((&done.next, &done.effects), (&next, &effects), "{event:?}");
        state = done.next;
    }
}

#[test]
fn a_timer_of_an_earlier_rest_is_ignored() {
    let base = Instant::now();
    let ready = State::Ready { since: at(base, 5) };
    let late = step(
        1,
        ready.clone(),
        Event::Elapsed(Timer::PauseGrace, base),
        at(base, 10),
    );
    assert_eq!(late.next, ready);
    assert_eq!(late.effects, []);
}

#[test]
fn a_run_that_comes_while_pausing_is_served_after_the_resume() {
    let now = Instant::now();
    let pausing = State::Pausing { waiting: vec![] };
    let waiting = step(1, pausing, Event::Run(RunId(7)), now);
    let resuming = step(1, waiting.next, Event::Paused, now);
    assert_eq!(resuming.effects, [Effect::Resume]);
    let open = step(1, resuming.next, Event::Resumed, now);
    assert_eq!(open.effects, [Effect::Begin(RunId(7))]);
}

#[test]
fn a_failed_resume_gives_the_runs_back() {
    let paused = State::Paused {
        since: Instant::now(),
    };
    let resuming = step(1, paused, Event::Run(RunId(7)), Instant::now());
    let failed = step(1, resuming.next, Event::ResumeFailed, Instant::now());
    assert_eq!(
        failed.effects,
        [Effect::Close, Effect::Return(RunId(7)), Effect::Destroy]
    );
}

#[test]
fn a_spoilt_container_waits_for_its_other_runs() {
    let now = Instant::now();
    let open = State::Running(Running::Open { active: 2 });
    let draining = step(2, open, Event::RunSpoiled(RunId(1)), now);
    assert_eq!(draining.effects, [Effect::Close]);
    let refused = step(2, draining.next, Event::Run(RunId(3)), now);
    assert_eq!(refused.effects, [Effect::Return(RunId(3))]);
    let ended = step(2, refused.next, Event::RunEnded(RunId(2)), now);
    assert_eq!(ended.effects, [Effect::Destroy]);
}

/// What the environment of a container may do next, chosen at random.
#[derive(Debug, Clone, Copy)]
enum Move {
    Run,
    Remove,
    Kill,
    /// An effect under way ends: which, and whether well.
    End(usize, bool),
    /// A timer that was armed at some time fires, late or not.
    Fire(usize),
    Wait,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => Just(Move::Run),
        1 => Just(Move::Remove),
        1 => Just(Move::Kill),
        12 => (any::<usize>(), prop::bool::weighted(0.85)).prop_map(|(which, well)| Move::End(which, well)),
        3 => any::<usize>().prop_map(Move::Fire),
        3 => Just(Move::Wait),
    ];
    prop::collection::vec(one, 0..120)
}

/// The effects that are under way and what became of each run: what the invariants are checked on.
#[derive(Debug)]
struct World {
    limit: u32,
    state: State,
    now: Instant,
    underway: Vec<Effect>,
    timers: Vec<(Timer, Instant)>,
    sent: BTreeSet<RunId>,
    outcomes: BTreeMap<RunId, u32>,
    inits: u32,
    initialized: bool,
    is_paused: bool,
    is_gone: bool,
}

impl World {
    fn new(limit: u32) -> Self {
        let mut world = Self {
            limit,
            state: State::Uninitialized,
            now: Instant::now(),
            underway: Vec::new(),
            timers: Vec::new(),
            sent: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            inits: 0,
            initialized: false,
            is_paused: false,
            is_gone: false,
        };
        world.apply(Event::Start);
        world
    }

    fn apply(&mut self, event: Event) {
        let was_removing = matches!(self.state, State::Removing(_));
        let done = step(self.limit, self.state.clone(), event, self.now);
        assert!(
            !was_removing || matches!(done.next, State::Removing(_)),
            "removing is final"
        );
        self.state = done.next;
        for effect in done.effects {
            assert!(!self.is_gone, "nothing follows the end: {effect:?}");
            self.perform(effect);
        }
        self.check();
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Init(_) => {
                self.inits += 1;
                self.underway.push(effect);
            }
            Effect::Begin(_) => {
                assert!(self.initialized, "nothing runs before the initialisation");
                assert!(!self.is_paused, "nothing runs while paused");
                self.underway.push(effect);
            }
            Effect::Pause => {
                assert_eq!(self.runs(), 0, "pauses only while idle");
                self.underway.push(effect);
            }
            Effect::Return(run) => *self.outcomes.entry(run).or_default() += 1,
            Effect::Arm(timer, since) => self.timers.push((timer, since)),
            Effect::Destroy => {
                self.underway.retain(|e| *e != Effect::Create);
                self.underway.push(effect);
            }
            Effect::Create | Effect::Resume => self.underway.push(effect),
            Effect::Close => {}
            Effect::Gone => self.is_gone = true,
        }
    }

    fn runs(&self) -> usize {
        self.underway
            .iter()
            .filter(|e| matches!(e, Effect::Init(_) | Effect::Begin(_)))
            .count()
    }

    fn end(&mut self, which: usize, well: bool) {
        if self.underway.is_empty() {
            return;
        }
        let effect = self.underway.remove(which % self.underway.len());
        let event = match (effect, well) {
            (Effect::Create, true) => Event::Created,
            (Effect::Create, false) => Event::CreateFailed,
            (Effect::Init(run), true) => {
                self.initialized = true;
                Event::Initialized(run)
            }
            (Effect::Init(run), false) => {
                *self.outcomes.entry(run).or_default() += 1;
                Event::InitFailed(run)
            }
            (Effect::Begin(run), well) => {
                *self.outcomes.entry(run).or_default() += 1;
                if well {
                    Event::RunEnded(run)
                } else {
                    Event::RunSpoiled(run)
                }
            }
            (Effect::Pause, true) => {
                self.is_paused = true;
                Event::Paused
            }
            (Effect::Pause, false) => Event::PauseFailed,
            (Effect::Resume, true) => {
                self.is_paused = false;
                Event::Resumed
            }
            (Effect::Resume, false) => Event::ResumeFailed,
            (Effect::Destroy, _) => Event::Destroyed,
            (other, _) => panic!("{other:?} has no end"),
        };
        self.apply(event);
    }

    fn check(&self) {
        assert!(self.runs() <= self.limit as usize, "too many runs at once");
        assert!(self.inits <= 1, "initialised twice");
        assert!(self.outcomes.values().all(|&n| n == 1), "one outcome each");
        assert!(self.outcomes.keys().all(|run| self.sent.contains(run)));
    }

    fn make(&mut self, step: Move, next_run: &mut u64) {
        match step {
            Move::Run => {
                *next_run += 1;
                self.sent.insert(RunId(*next_run));
                self.apply(Event::Run(RunId(*next_run)));
            }
            Move::Remove => self.apply(Event::Remove),
            Move::Kill => self.apply(Event::Kill),
            Move::End(which, well) => self.end(which, well),
            Move::Fire(which) => {
                if !self.timers.is_empty() {
                    let (timer, since) = self.timers[which % self.timers.len()];
                    self.apply(Event::Elapsed(timer, since));
                }
            }
            Move::Wait => self.now += Duration::from_secs(1),
        }
    }
}

proptest! {
    #[test]
    fn any_life_keeps_the_invariants(limit in 1_u32..4, moves in moves()) {
        let mut world = World::new(limit);
        let mut next_run = 0;
        for step in moves {
            if !world.is_gone {
                world.make(step, &mut next_run);
            }
        }
        if !world.is_gone {
            world.apply(Event::Remove);
        }
        while !world.underway.is_empty() {
            world.end(0, true);
        }
        prop_assert!(world.is_gone, "{world:?}");
        prop_assert_eq!(world.outcomes.len(), world.sent.len(), "every run has an outcome");
    }
}
