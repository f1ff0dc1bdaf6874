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
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
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
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
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
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
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
        let tensor = TensorProto {
            dims,
            data_type: DOUBLE,
            name: name.to_owned(),
            double_data,
            ..Default::default()
        };
        AttributeProto {
            name: name.to_owned(),
            t: Some(tensor),
            kind: TENSOR_ATTRIBUTE,
            ..Default::default()
        }
    }
}

impl NodeProto {
    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// A whole number, where there is one.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).and_then(|attribute| attribute.i)
    }

    /// Whole numbers, none where there is no such attribute.
    pub fn ints(&self, name: &str) -> &[i64] {
        self.attribute(name).map_or(&[], |attribute| &attribute.ints)
    }

    /// Texts; one that is no UTF-8 is empty.
    pub fn strings(&self, name: &str) -> Vec<&str> {
        let texts = self.attribute(name).map_or(&[][..], |attribute| &attribute.strings);
        texts.iter().map(|text| std::str::from_utf8(text).unwrap_or_default()).collect()
    }

    /// A text, where there is one.
    pub fn text(&self, name: &str) -> Option<&str> {
        let text = self.attribute(name).and_then(|attribute| attribute.s.as_deref())?;
        Some(std::str::from_utf8(text).unwrap_or_default())
    }

    /// Numbers: floats, or the tensor of `NAME_as_tensor`; none where there is neither.
    ///
    /// # Errors
    /// When the tensor holds no floats or doubles.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, String> {
        let tensor = self.attribute(&format!("{name}_as_tensor")).and_then(|a| a.t.as_ref());
        match tensor {
            Some(tensor) => tensor.numbers().map_err(|found| format!("{name}_as_tensor: {found}")),
            None => {
                let floats = self.attribute(name).map_or(&[][..], |attribute| &attribute.floats);
                Ok(floats.iter().map(|float| f64::from(*float)).collect())
            }
        }
    }
}

impl TensorProto {
    /// The numbers of a tensor of floats or doubles.
    pub fn numbers(&self) -> Result<Vec<f64>, String> {
        let raw = |bytes: usize| match self.raw_data.len().is_multiple_of(bytes) {
            true => Ok(self.raw_data.chunks_exact(bytes)),
            false => Err(format!("found {} bytes", self.raw_data.len())),
        };
        let double = |b: &[u8]| f64::from_le_bytes(b.try_into().expect("eight bytes are cut"));
        let float = |b: &[u8]| f32::from_le_bytes(b.try_into().expect("four bytes are cut"));
        Ok(match (self.data_type, self.raw_data.is_empty()) {
            (DOUBLE, true) => self.double_data.clone(),
            (DOUBLE, false) => raw(8)?.map(double).collect(),
            (FLOAT, true) => self.float_data.iter().map(|float| f64::from(*float)).collect(),
            (FLOAT, false) => raw(4)?.map(|b| f64::from(float(b))).collect(),
            (other, _) => return Err(format!("found a tensor of type {other}, expected floats")),
        })
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
