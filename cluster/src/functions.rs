//! What executors call, by names that all machines know: `rekindle_read` makes packets of a piece of a log,
//! `rekindle_gather` keeps those of a part, and the others do a task each. A function is told what holds for the whole
//! job by its first argument, and refuses what another version says there.

use std::sync::{Arc, OnceLock};

use arrow_array::builder::{LargeBinaryBuilder, UInt32Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, ListArray, RecordBatch, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema};
use datafusion::common::cast::as_string_array;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use rekindle_training::distributed::{self, Function};

/// The functions that do a task each, by name.
const CALLS: [(&str, Function); 4] = [
    ("rekindle_build", Function::Build),
    ("rekindle_score", Function::Score),
    ("rekindle_count", Function::Count),
    ("rekindle_sample", Function::Sample),
];

/// All functions of a task.
pub fn scalar() -> Vec<Arc<ScalarUDF>> {
    let calls = CALLS.map(|(name, function)| ScalarUDF::from(Call::new(name, function)));
    calls.into_iter().chain([ScalarUDF::from(Read::new())]).map(Arc::new).collect()
}

/// All functions of many packets.
pub fn aggregate() -> Vec<Arc<AggregateUDF>> {
    vec![Arc::new(AggregateUDF::from(Gather::new()))]
}

/// The function that does tasks of a sort; reading, where they are gathered.
pub fn of(function: Function) -> ScalarUDF {
    match CALLS.iter().find(|(_, known)| *known == function) {
        Some((name, function)) => ScalarUDF::from(Call::new(name, *function)),
        None => ScalarUDF::from(Read::new()),
    }
}

/// The name of this machine in messages.
static MACHINE: OnceLock<String> = OnceLock::new();

/// Names this machine, once: what goes wrong on it is told with its name.
pub fn name_machine(name: &str) {
    MACHINE.get_or_init(|| name.to_owned());
}

/// Runs what waits for disks and networks of its own, which is not allowed on a thread that waits for Ballista's.
fn apart<T: Send>(run: impl FnOnce() -> rekindle_training::Result<T> + Send) -> Result<T> {
    let done = std::thread::scope(|scope| scope.spawn(run).join());
    let done = done
        .map_err(|_| "a call has panicked, which is a fault of rekindle's: see its log".to_owned());
    done.and_then(|done| done.map_err(|e| e.to_string())).map_err(|error| {
        let at = MACHINE.get().map_or_else(String::new, |name| format!(" (on executor {name})"));
        DataFusionError::Execution(error + &at)
    })
}

fn texts(args: &ScalarFunctionArgs) -> Result<[ArrayRef; 2]> {
    match args.args.as_slice() {
        [shared, task] => {
            Ok([shared.to_array(args.number_rows)?, task.to_array(args.number_rows)?])
        }
        other => {
            let found = other.len();
            Err(DataFusionError::Plan(format!("{found} arguments; expected a job and a task")))
        }
    }
}

/// A task that leaves what it found in the job's depot, and says that it is done.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Call {
    name: &'static str,
    function: u8,
    signature: Signature,
}

impl Call {
    fn new(name: &'static str, function: Function) -> Call {
        let function = CALLS.iter().position(|(_, known)| *known == function).unwrap_or(0) as u8;
        let arguments = vec![DataType::Utf8, DataType::Utf8];
        Call { name, function, signature: Signature::exact(arguments, Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for Call {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [shared, tasks] = texts(&args)?;
        let (shared, tasks) = (as_string_array(&shared)?, as_string_array(&tasks)?);
        let function = CALLS[usize::from(self.function)].1;
        for (shared, task) in shared.iter().zip(tasks) {
            let (shared, task) = (shared.unwrap_or_default(), task.unwrap_or_default());
            apart(|| distributed::call(function, shared, task))?;
        }
        Ok(ColumnarValue::Array(Arc::new(tasks.clone())))
    }
}

/// A piece of a log as packets, each with its part.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Read {
    signature: Signature,
}

fn packet_fields() -> Fields {
    let part = Field::new(PART, DataType::UInt32, false);
    vec![part, Field::new(PACKET, DataType::LargeBinary, false)].into()
}

/// The fields of what [`Read`] returns.
pub const PART: &str = "part";
/// The events of a part, of one piece.
pub const PACKET: &str = "packet";

impl Read {
    fn new() -> Read {
        let arguments = vec![DataType::Utf8, DataType::Utf8];
        Read { signature: Signature::exact(arguments, Volatility::Volatile) }
    }

    fn item() -> FieldRef {
        Arc::new(Field::new("item", DataType::Struct(packet_fields()), false))
    }
}

impl ScalarUDFImpl for Read {
    fn name(&self) -> &'static str {
        "rekindle_read"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Read::item()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [shared, tasks] = texts(&args)?;
        let (shared, tasks) = (as_string_array(&shared)?, as_string_array(&tasks)?);
        let (mut parts, mut packets) = (UInt32Builder::new(), LargeBinaryBuilder::new());
        let mut lengths = Vec::new();
        for (shared, task) in shared.iter().zip(tasks) {
            let (shared, task) = (shared.unwrap_or_default(), task.unwrap_or_default());
            let read = apart(|| distributed::read(shared, task))?;
            lengths.push(read.len());
            for (part, packet) in read {
                parts.append_value(part);
                packets.append_value(packet);
            }
        }
        let columns: Vec<ArrayRef> = vec![Arc::new(parts.finish()), Arc::new(packets.finish())];
        let rows = StructArray::try_new(packet_fields(), columns, None)?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        let lists = ListArray::try_new(Read::item(), offsets, Arc::new(rows), None)?;
        Ok(ColumnarValue::Array(Arc::new(lists)))
    }
}

/// The packets of a part, kept.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Gather {
    signature: Signature,
}

impl Gather {
    fn new() -> Gather {
        let arguments = vec![DataType::Utf8, DataType::UInt32, DataType::LargeBinary];
        Gather { signature: Signature::exact(arguments, Volatility::Volatile) }
    }
}

impl AggregateUDFImpl for Gather {
    fn name(&self) -> &'static str {
        "rekindle_gather"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::UInt32)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let shared = args.exprs.first().ok_or_else(|| {
            DataFusionError::Plan("no arguments; expected a job, a part and a packet".to_owned())
        })?;
        // What the whole job is told is written into the plan: it is no column.
        let nothing = RecordBatch::new_empty(Arc::new(Schema::empty()));
        let ColumnarValue::Scalar(ScalarValue::Utf8(Some(shared))) = shared.evaluate(&nothing)?
        else {
            return Err(DataFusionError::Plan("a job that is no text; expected JSON".to_owned()));
        };
        Ok(Box::new(Packets { shared, part: None, packets: Vec::new() }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field =
            |name: &str, of| Arc::new(Field::new(format!("{}[{name}]", args.name), of, true));
        Ok(vec![field(PART, DataType::UInt32), field(PACKET, DataType::LargeBinary)])
    }
}

/// The packets met so far, each after its length.
#[derive(Debug)]
struct Packets {
    shared: String,
    part: Option<u32>,
    packets: Vec<u8>,
}

impl Packets {
    fn meet(&mut self, parts: &ArrayRef) {
        let parts = parts.as_primitive::<UInt32Type>();
        if let Some(part) = parts.iter().flatten().next() {
            self.part = Some(part);
        }
    }

    /// The packets one by one.
    fn each(&self) -> Vec<&[u8]> {
        let (mut rest, mut packets) = (&self.packets[..], Vec::new());
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
            // What is cut off is told by who reads the packet.
            let (packet, after) = after.split_at(length.min(after.len()));
            packets.push(packet);
            rest = after;
        }
        packets
    }
}

impl Accumulator for Packets {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.meet(&values[1]);
        for packet in values[2].as_binary::<i64>().iter().flatten() {
            self.packets.extend((packet.len() as u64).to_le_bytes());
            self.packets.extend(packet);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let packets = std::mem::take(&mut self.packets);
        Ok(vec![ScalarValue::UInt32(self.part), ScalarValue::LargeBinary(Some(packets))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.meet(&states[0]);
        states[1].as_binary::<i64>().iter().flatten().for_each(|some| self.packets.extend(some));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if let Some(part) = self.part {
            let (shared, packets) = (&self.shared, self.each());
            apart(|| distributed::gather(shared, part, &packets))?;
        }
        Ok(ScalarValue::UInt32(self.part))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.shared.capacity() + self.packets.capacity()
    }
}
