//! State that belongs to no key: broadcast state, and lists of a subtask's own.

use yeoul::operator::Subtask;
use yeoul::prelude::*;
use yeoul::rkyv::Archived;

use crate::check;
use crate::halves::Halves;

/// Prices orders `(product, pieces)` by a broadcast list of prices `(product, price)`; what has no price yet waits for it.
#[derive(Clone, Default)]
struct Pricing {
    prices: BroadcastStateHandle<u64, u64>,
    waiting: ListStateHandle<(u64, u64)>,
}

type Pair = Archived<(u64, u64)>;

fn pair(of: &Pair) -> (u64, u64) {
    (of.0.to_native(), of.1.to_native())
}

impl BroadcastProcessFunction for Pricing {
    type In = (u64, u64);
    type Broadcast = (u64, u64);
    type Out = (u64, u64);

    fn declare(&mut self, states: &mut OperatorStates) {
        self.prices = states.broadcast("prices");
        self.waiting = states.list("waiting");
    }

    fn process(
        &mut self,
        order: &Pair,
        cx: &mut ProcessContext<'_>,
        out: &mut Collector<(u64, u64)>,
    ) -> Result<(), OperatorError> {
        let (product, pieces) = pair(order);
        match cx.broadcast_state(&self.prices).get(&product) {
            Some(price) => out.collect((product, pieces * price)),
            None => cx.list_state(&self.waiting).push((product, pieces)),
        }
        Ok(())
    }

    fn process_broadcast(
        &mut self,
        price: &Pair,
        cx: &mut BroadcastContext<'_>,
        out: &mut Collector<(u64, u64)>,
    ) -> Result<(), OperatorError> {
        let (product, price) = pair(price);
        cx.update(&self.prices).insert(product, price);
        let waiting = cx.list_state(&self.waiting);
        waiting.extract_if(.., |order| order.0 == product).for_each(|order| out.collect((product, order.1 * price)));
        Ok(())
    }
}

#[test]
fn broadcast_state_and_what_waits_for_it_survive_a_failure() {
    const PRODUCTS: u64 = 40;
    let orders = |split: u64| (0..300).map(|n| ((n * 7 + split) % PRODUCTS, 1 + n % 5)).collect::<Vec<_>>();
    let price = |product: u64| 100 + product;
    check(
        |env, stage, sink| {
            let none = WatermarkStrategy::no_watermarks;
            let orders = env.from_source(Halves::of([orders(0), orders(1), orders(2)], stage), none(), "orders");
            // Half of the prices are known before the failure, half after it.
            let prices = (0..PRODUCTS).map(|product| (product, price(product))).collect();
            let prices = env.from_source(Halves::of([prices], stage), none(), "prices");
            orders.connect_broadcast(&prices).process(Pricing::default()).uid("pricing").sink_to(sink);
        },
        |_| (0..3).flat_map(orders).map(|(product, pieces)| (product, pieces * price(product))).collect(),
    );
}

/// Numbers its records, a subtask at a time.
#[derive(Clone, Default)]
struct Numbering(ListStateHandle<u64>);

impl ProcessFunction for Numbering {
    type In = u64;
    type Out = (u64, u64);

    fn declare(&mut self, states: &mut OperatorStates) {
        self.0 = states.list("count");
    }

    fn process(
        &mut self,
        split: &Archived<u64>,
        cx: &mut ProcessContext<'_>,
        out: &mut Collector<(u64, u64)>,
    ) -> Result<(), OperatorError> {
        let count = cx.list_state(&self.0);
        let number = count.pop().unwrap_or(0) + 1;
        count.push(number);
        out.collect((split.to_native(), number));
        Ok(())
    }
}

#[test]
fn a_list_of_a_subtask_goes_on_where_it_was() {
    check(
        |env, stage, sink| {
            let numbers =
                env.from_source(Halves::of([vec![0; 200]], stage), WatermarkStrategy::no_watermarks(), "zeros");
            numbers.process(Numbering::default()).uid("numbering").set_parallelism(1).sink_to(sink);
        },
        |_| (1..=200).map(|number| (0, number)).collect(),
    );
}

/// Keeps all records in a list of each kind, and says what is in them when it is asked by a zero.
#[derive(Clone, Default)]
struct Keeping {
    dealt: ListStateHandle<u64>,
    union: UnionListStateHandle<u64>,
}

impl ProcessFunction for Keeping {
    type In = u64;
    type Out = (String, u64);

    fn declare(&mut self, states: &mut OperatorStates) {
        self.dealt = states.list("kept");
        self.union = states.union_list("kept");
    }

    fn process(
        &mut self,
        n: &Archived<u64>,
        cx: &mut ProcessContext<'_>,
        out: &mut Collector<(String, u64)>,
    ) -> Result<(), OperatorError> {
        if *n != 0 {
            cx.list_state(&self.dealt).push(n.to_native());
            cx.union_list_state(&self.union).own().push(n.to_native());
            return Ok(());
        }
        cx.list_state(&self.dealt).iter().for_each(|n| out.collect(("dealt".to_owned(), *n)));
        let union = cx.union_list_state(&self.union);
        union.own().iter().for_each(|n| out.collect(("own".to_owned(), *n)));
        union.restored().iter().for_each(|n| out.collect(("union".to_owned(), *n)));
        Ok(())
    }
}

#[test]
fn after_a_change_of_parallelism_lists_are_dealt_out_and_union_lists_are_everywhere() {
    let recipe = OperatorHarness::of(|numbers: DataStream<u64>| numbers.process(Keeping::default())).unwrap();
    for (before, after) in [(1, 1), (1, 3), (3, 1), (2, 2), (3, 2), (2, 5)] {
        let instances = |parallelism: u16| (0..parallelism).map(move |index| Subtask { index, parallelism });
        let snapshots: Vec<_> = instances(before)
            .map(|subtask| {
                let mut instance = recipe.restored(subtask, &[]).unwrap();
                let first = u64::from(subtask.index) * 10 + 1;
                instance.push((first..first + 10).map(|n| (n, 0))).unwrap();
                instance.snapshot().unwrap()
            })
            .collect();
        // The second restart sees no more than the first: elements do not multiply.
        let from: Vec<_> = snapshots.iter().collect();
        let between: Vec<_> =
            instances(before).map(|subtask| recipe.restored(subtask, &from).unwrap().snapshot().unwrap()).collect();
        let from: Vec<_> = between.iter().collect();
        let (mut dealt, mut counts) = (Vec::new(), Vec::new());
        for subtask in instances(after) {
            let mut instance = recipe.restored(subtask, &from).unwrap();
            instance.push([(0, 0)]).unwrap();
            let all: Vec<(String, u64)> = instance.take_output().into_iter().map(|(kept, _)| kept).collect();
            let of = |name: &str| all.iter().filter(|kept| kept.0 == name).map(|kept| kept.1).collect::<Vec<_>>();
            assert_eq!(of("union"), (1..=u64::from(before) * 10).collect::<Vec<_>>(), "{before} to {after}");
            assert_eq!(of("own"), of("dealt"), "{before} to {after}");
            counts.push(of("dealt").len());
            dealt.extend(of("dealt"));
        }
        dealt.sort_unstable();
        assert_eq!(dealt, (1..=u64::from(before) * 10).collect::<Vec<_>>(), "{before} to {after}");
        assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "evenly: {counts:?}");
    }
}
