//! `POST /v1/score/batch` of Arrow streams, those that lie among them.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int64Array, NullArray, RecordBatch, RecordBatchOptions,
};
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field, Schema};
use serde_json::json;

use crate::app::spawn_app;
use crate::batches::{ARROW, NDJSON, counts, lines, read, send};
use crate::customers;

#[test]
fn arrow_streams_of_many_kinds_are_read_and_none_that_lies_is_believed() {
    let app = spawn_app();
    let all = customers::random(30);
    let (expected, _) = lines(&app, "", NDJSON, customers::ndjson(&all));
    let batch = customers::batch(&all);
    // Empty record batches between the others.
    let pieces = [
        batch.slice(0, 0),
        batch.slice(0, 9),
        batch.slice(9, 0),
        batch.slice(9, 21),
        batch.slice(3, 0),
    ];
    let (rows, trailer) = lines(&app, "", ARROW, customers::stream(&pieces));
    assert_eq!((rows, counts(&trailer)), (expected.clone(), (30, 30, 0, true)));
    // A dictionary of texts.
    let plans: DictionaryArray<arrow_array::types::Int32Type> =
        all.iter().map(|c| c.plan).collect();
    let mut fields: Vec<Arc<Field>> = batch.schema().fields().iter().cloned().collect();
    fields[4] = Arc::new(Field::new("plan", plans.data_type().clone(), true));
    let mut columns = batch.columns().to_vec();
    columns[4] = Arc::new(plans);
    let packed = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let (rows, _) =
        lines(&app, "", ARROW, customers::stream(&[packed.slice(0, 9), packed.slice(9, 21)]));
    assert_eq!(rows, expected);
    // A long text that all rows share is not written out for each.
    let (long, rows) = ("x".repeat(60_000), 40_000);
    let coded: DictionaryArray<arrow_array::types::Int8Type> =
        std::iter::repeat_n(Some(long.as_str()), rows).collect();
    let mut views = StringViewBuilder::new();
    let block = views.append_block(long.as_bytes().to_vec().into());
    (0..rows).for_each(|_| views.try_append_view(block, 0, 60_000).unwrap());
    for column in [Arc::new(coded) as ArrayRef, Arc::new(views.finish())] {
        let batch = RecordBatch::try_from_iter([("plan", column)]).unwrap();
        let (_, trailer) = lines(&app, "", ARROW, customers::stream(&[batch]));
        assert_eq!(counts(&trailer), (40_000, 40_000, 0, true));
    }
    // Ids that are numbers; a row that cannot be read does not stop the others.
    let ids = Int64Array::from(vec![Some(-1), Some(7), None]);
    let flags = Int64Array::from(vec![1, 2, 0]);
    let numbers = RecordBatch::try_from_iter([
        ("customer", Arc::new(ids) as _),
        ("subscribed", Arc::new(flags) as _),
    ]);
    let (rows, trailer) = lines(&app, "", ARROW, customers::stream(&[numbers.unwrap()]));
    assert_eq!((rows[0]["customer_id"].clone(), counts(&trailer)), (json!(-1), (3, 2, 1, true)));
    assert_eq!(rows[1]["error"]["field"], "subscribed");
    // A column of a type that the feature cannot have.
    let wrong = RecordBatch::try_from_iter([(
        "spend",
        Arc::new(arrow_array::StringArray::from(vec!["1"])) as _,
    )]);
    let answer = send(&app, "", ARROW, NDJSON, &customers::stream(&[wrong.unwrap()]));
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("spend") && answer.text().contains("Utf8"), "{}", answer.text());
    // Compressed batches.
    let options = IpcWriteOptions::default()
        .try_with_compression(Some(arrow_ipc::CompressionType::ZSTD))
        .unwrap();
    let mut writer =
        StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    let answer = send(&app, "", ARROW, NDJSON, &writer.into_inner().unwrap());
    assert!(answer.status == 422 && answer.text().contains("gzip"), "{}", answer.text());
    // Rows that need no bytes: a few bytes may claim any number of them.
    let options = RecordBatchOptions::new().with_row_count(Some(1 << 40));
    let none =
        RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    let nulls =
        RecordBatch::try_from_iter([("spend", Arc::new(NullArray::new(1 << 40)) as _)]).unwrap();
    assert_eq!(*nulls.column(0).data_type(), DataType::Null);
    for (claims, words) in [(none, "found 0 columns"), (nulls, "rows")] {
        let answer = send(&app, "", ARROW, NDJSON, &customers::stream(&[claims]));
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    // A stream that breaks off says so, wherever it does.
    let stream = customers::arrow(&customers::random(1_500));
    for length in [1, 4, 8, 50, stream.len() / 2, stream.len() - 9] {
        let answer = send(&app, "", ARROW, NDJSON, &stream[..length]);
        match answer.status {
            200 => assert!(!counts(&read(NDJSON, &answer.bytes).1).3, "{length}"),
            status => assert!((400..500).contains(&status), "{length}: {}", answer.text()),
        }
    }
}
