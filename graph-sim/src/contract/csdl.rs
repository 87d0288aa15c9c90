//! A model of an OData schema, read from its XML (OData CSDL 4.01).
//!
//! Only the namespace `microsoft.graph` is read, and its names are kept without it (`event`); those of others keep theirs
//! (`Edm.String`). A type that is referred to and not defined stays a name: the file may be an extract.

use std::collections::{BTreeMap, HashSet};

/// Deeper lines of base types than this do not occur; a loop is refused when the schema is read.
const DEEPEST: usize = 32;

/// Why a file is not a schema.
#[derive(Debug, thiserror::Error)]
pub enum CsdlError {
    #[error("not XML: {0}")]
    Xml(#[from] roxmltree::Error),
    #[error("there is no Schema element of the namespace microsoft.graph")]
    NoSchema,
    #[error("{element} at {at} has no {attribute}")]
    NoAttribute {
        element: String,
        attribute: &'static str,
        at: roxmltree::TextPos,
    },
    #[error("the base types of {0} go round in a circle")]
    Circle(String),
}

/// The type of a property, a parameter or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeRef {
    pub name: String,
    pub collection: bool,
}

impl TypeRef {
    /// `Edm.String`, `graph.event`, `Collection(microsoft.graph.event)`.
    fn parse(text: &str) -> Self {
        let inner = text.strip_prefix("Collection(").and_then(|t| t.strip_suffix(')'));
        Self {
            name: bare(inner.unwrap_or(text)).to_owned(),
            collection: inner.is_some(),
        }
    }
}

impl std::fmt::Display for TypeRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.collection {
            write!(f, "Collection({})", self.name)
        } else {
            f.write_str(&self.name)
        }
    }
}

const NAMESPACE: &str = "microsoft.graph";

/// Without the namespace or its alias.
fn bare(name: &str) -> &str {
    ["microsoft.graph.", "graph."]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name)
}

#[derive(Clone, Debug)]
pub struct Property {
    pub name: String,
    pub kind: TypeRef,
    /// Of a collection: whether its items may be null. A collection itself never is.
    pub nullable: bool,
    pub navigation: bool,
}

/// An entity type or a complex type.
#[derive(Clone, Debug)]
pub struct Structured {
    pub name: String,
    pub base: Option<String>,
    pub entity: bool,
    pub properties: BTreeMap<String, Property>,
}

#[derive(Clone, Debug)]
pub struct Enumeration {
    pub members: Vec<String>,
    /// Several members at once, joined by commas.
    pub flags: bool,
}

/// A bound action or function.
#[derive(Clone, Debug)]
pub struct Operation {
    pub name: String,
    pub action: bool,
    pub binding: TypeRef,
    /// Without the binding parameter.
    pub parameters: Vec<Property>,
    pub returns: Option<TypeRef>,
}

/// What a type's name stands for.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'s> {
    Primitive(&'s str),
    Enumeration(&'s Enumeration),
    Structured(&'s Structured),
    /// Referred to and not in the file.
    Elsewhere,
}

/// The types, the operations and the containers of a CSDL file.
#[derive(Debug, Default)]
pub struct Schema {
    types: BTreeMap<String, Structured>,
    enumerations: BTreeMap<String, Enumeration>,
    operations: Vec<Operation>,
}

type Node<'a, 'i> = roxmltree::Node<'a, 'i>;

fn required<'a>(node: Node<'a, '_>, attribute: &'static str) -> Result<&'a str, CsdlError> {
    node.attribute(attribute).ok_or_else(|| CsdlError::NoAttribute {
        element: node.tag_name().name().to_owned(),
        attribute,
        at: node.document().text_pos_at(node.range().start),
    })
}

fn property(node: Node<'_, '_>) -> Result<Property, CsdlError> {
    let kind = TypeRef::parse(required(node, "Type")?);
    let navigation = node.has_tag_name_local("NavigationProperty");
    Ok(Property {
        name: required(node, "Name")?.to_owned(),
        // There are no null entities in a collection.
        nullable: node.attribute("Nullable") != Some("false") && !(navigation && kind.collection),
        kind,
        navigation,
    })
}

trait Local {
    fn has_tag_name_local(&self, name: &str) -> bool;
}

impl Local for Node<'_, '_> {
    /// By local name: the namespace differs between versions of CSDL.
    fn has_tag_name_local(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

fn structured(node: Node<'_, '_>) -> Result<Structured, CsdlError> {
    let mut properties = BTreeMap::new();
    for child in node
        .children()
        .filter(|c| c.has_tag_name_local("Property") || c.has_tag_name_local("NavigationProperty"))
    {
        let property = property(child)?;
        properties.insert(property.name.clone(), property);
    }
    Ok(Structured {
        name: required(node, "Name")?.to_owned(),
        base: node.attribute("BaseType").map(|b| bare(b).to_owned()),
        entity: node.has_tag_name_local("EntityType"),
        properties,
    })
}

fn enumeration(node: Node<'_, '_>) -> Result<Enumeration, CsdlError> {
    let members = node
        .children()
        .filter(|c| c.has_tag_name_local("Member"))
        .map(|c| required(c, "Name").map(str::to_owned))
        .collect::<Result<_, _>>()?;
    Ok(Enumeration {
        members,
        flags: node.attribute("IsFlags") == Some("true"),
    })
}

/// Unbound operations are imported under names of their own, which Outlook's calendar has none of.
fn operation(node: Node<'_, '_>) -> Result<Option<Operation>, CsdlError> {
    let mut parameters = node
        .children()
        .filter(|c| c.has_tag_name_local("Parameter"))
        .map(property)
        .collect::<Result<Vec<_>, _>>()?;
    if node.attribute("IsBound") != Some("true") || parameters.is_empty() {
        return Ok(None);
    }
    let binding = parameters.remove(0).kind;
    let returns = node
        .children()
        .find(|c| c.has_tag_name_local("ReturnType"))
        .map(|c| required(c, "Type").map(TypeRef::parse))
        .transpose()?;
    Ok(Some(Operation {
        name: required(node, "Name")?.to_owned(),
        action: node.has_tag_name_local("Action"),
        binding,
        parameters,
        returns,
    }))
}

impl Schema {
    /// # Errors
    /// [`CsdlError`] for what is no CSDL; elements that are not modeled (annotations, containers) are passed over.
    pub fn parse(xml: &str) -> Result<Self, CsdlError> {
        let document = roxmltree::Document::parse(xml)?;
        let mut schema = Self::default();
        let mut found = false;
        for root in document
            .descendants()
            .filter(|n| n.has_tag_name_local("Schema") && n.attribute("Namespace") == Some(NAMESPACE))
        {
            found = true;
            for node in root.children().filter(Node::is_element) {
                match node.tag_name().name() {
                    "EntityType" | "ComplexType" => {
                        let one = structured(node)?;
                        schema.types.insert(one.name.clone(), one);
                    }
                    "EnumType" => {
                        schema
                            .enumerations
                            .insert(required(node, "Name")?.to_owned(), enumeration(node)?);
                    }
                    "Action" | "Function" => schema.operations.extend(operation(node)?),
                    _ => {}
                }
            }
        }
        if !found {
            return Err(CsdlError::NoSchema);
        }
        for name in schema.types.keys() {
            let mut seen = HashSet::new();
            let mut next = Some(name);
            while let Some(one) = next {
                if !seen.insert(one) {
                    return Err(CsdlError::Circle(name.clone()));
                }
                next = schema.types.get(one).and_then(|t| t.base.as_ref());
            }
        }
        Ok(schema)
    }

    pub fn kind<'s>(&'s self, name: &'s str) -> Kind<'s> {
        if name.starts_with("Edm.") {
            return Kind::Primitive(name);
        }
        if let Some(one) = self.types.get(name) {
            return Kind::Structured(one);
        }
        self.enumerations
            .get(name)
            .map_or(Kind::Elsewhere, Kind::Enumeration)
    }

    pub(crate) fn structured(&self, name: &str) -> Option<&Structured> {
        self.types.get(name)
    }

    /// A type and its base types, the type first.
    pub(crate) fn lineage<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s Structured> + use<'s> {
        std::iter::successors(self.types.get(name), |t| self.types.get(t.base.as_ref()?)).take(DEEPEST)
    }

    /// Everything a type has, inherited properties included.
    pub fn properties<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s Property> + use<'s> {
        self.lineage(name).flat_map(|t| t.properties.values())
    }

    pub fn property<'s>(&'s self, of: &str, name: &str) -> Option<&'s Property> {
        self.lineage(of).find_map(|t| t.properties.get(name))
    }

    /// A property by a path's segment, which Graph takes in any case.
    pub(crate) fn property_any_case<'s>(&'s self, of: &str, name: &str) -> Option<&'s Property> {
        self.properties(of).find(|p| p.name.eq_ignore_ascii_case(name))
    }

    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// A bound operation by a path's segment. Operations of a base type are its heirs' as well.
    pub(crate) fn operation<'s>(&'s self, of: &str, collection: bool, name: &str) -> Option<&'s Operation> {
        self.operations.iter().find(|o| {
            o.name.eq_ignore_ascii_case(name)
                && o.binding.collection == collection
                && (o.binding.name == of || self.lineage(of).any(|t| t.name == o.binding.name))
        })
    }
}
