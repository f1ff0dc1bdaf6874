//! The part of ONNX's protobuf messages that a model of trees needs, with the field numbers of
//! `onnx.proto`. Nothing here knows of trees.

use prost::Message;

/// `TensorProto.DataType`.
pub const FLOAT: i32 = 1;
pub const INT64: i32 = 7;
pub const DOUBLE: i32 = 11;

/// `AttributeProto.AttributeType`.
const STRING_ATTRIBUTE: i32 = 3;
const TENSOR_ATTRIBUTE: i32 = 4;
const INTS_ATTRIBUTE: i32 = 7;
const STRINGS_ATTRIBUTE: i32 = 8;

#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(string, tag = "3")]
    pub producer_version: String,
    #[prost(string, tag = "6")]
    pub doc_string: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

#[derive(Clone, PartialEq, Message)]
pub struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct StringStringEntryProto {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
pub struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct AttributeProto {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    #[prost(int32, tag = "20")]
    pub kind: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueInfoProto {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub kind: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<DimensionProto>,
}

#[derive(Clone, PartialEq, Message)]
pub struct DimensionProto {
    #[prost(oneof = "Dimension", tags = "1, 2")]
    pub value: Option<Dimension>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Dimension {
    #[prost(int64, tag = "1")]
    Size(i64),
    #[prost(string, tag = "2")]
    Name(String),
}

impl AttributeProto {
    pub fn string(name: &str, value: &str) -> AttributeProto {
        let s = Some(value.as_bytes().to_vec());
        AttributeProto { name: name.to_owned(), s, kind: STRING_ATTRIBUTE, ..Default::default() }
    }

    pub fn strings<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> AttributeProto {
        let strings = values.map(|value| value.as_bytes().to_vec()).collect();
        AttributeProto {
            name: name.to_owned(),
            strings,
            kind: STRINGS_ATTRIBUTE,
            ..Default::default()
        }
    }

    pub fn ints(name: &str, ints: impl Iterator<Item = i64>) -> AttributeProto {
        let ints = ints.collect();
        AttributeProto { name: name.to_owned(), ints, kind: INTS_ATTRIBUTE, ..Default::default() }
    }

    pub fn doubles(name: &str, values: impl Iterator<Item = f64>) -> AttributeProto {
        let double_data: Vec<f64> = values.collect();
        let dims = vec![double_data.len() as i64];
        let tensor = TensorProto { dims, data_type: DOUBLE, name: name.to_owned(), double_data };
        AttributeProto {
            name: name.to_owned(),
            t: Some(tensor),
            kind: TENSOR_ATTRIBUTE,
            ..Default::default()
        }
    }
}

impl ValueInfoProto {
    /// A tensor with any number of rows, and `columns` columns where it has two dimensions.
    pub fn rows(name: &str, elem_type: i32, columns: Option<usize>) -> ValueInfoProto {
        let rows = DimensionProto { value: Some(Dimension::Name("rows".to_owned())) };
        let columns =
            columns.map(|columns| DimensionProto { value: Some(Dimension::Size(columns as i64)) });
        let shape = Some(TensorShapeProto { dim: [rows].into_iter().chain(columns).collect() });
        let tensor_type = Some(TensorTypeProto { elem_type, shape });
        ValueInfoProto { name: name.to_owned(), kind: Some(TypeProto { tensor_type }) }
    }
}
