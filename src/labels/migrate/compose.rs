//! Finds the labels and the environment of every service in a Compose file, through anchors, aliases
//! and merge keys.
//!
//! Decides nothing about labels and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::yaml::{Anchors, Node, Shape, Style};
use crate::labels::dialect::Container;

/// How often an alias may lead to another one, and a merge to another merge.
const FARTHEST: usize = 8;

/// One place in the text where labels are written. Several services may share it.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) node: &'a Node,
    pub(super) entries: Vec<Entry>,
    /// Who wears these labels.
    pub(super) wearers: Vec<Wearer>,
    /// The pair `labels: …` and the mapping it stands in, where that is what has to go with the last
    /// label; `None` where something else refers to the labels.
    pub(super) holder: Option<Holder<'a>>,
    /// Mappings that are merged in, by where they begin: `<<: *others`.
    pub(super) merged: BTreeSet<usize>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Holder<'a> {
    pub(super) mapping: &'a Node,
    pub(super) key: &'a Node,
}

#[derive(Debug)]
pub(super) struct Wearer {
    pub(super) service: String,
    pub(super) container: Container,
    /// `extends` adds labels of another service to these.
    pub(super) extends: bool,
}

/// One label, of either form.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: String,
    /// From the key (of a list: the text) to the value's end.
    pub(super) range: Range<usize>,
    /// How the key (of a list: the text) is written.
    pub(super) key_style: Style,
    pub(super) value_style: Style,
}

/// Every place where labels of services are written, in the order of the text.
pub(super) fn blocks<'a>(
    text: &str,
    documents: &'a [Node],
    anchors: &Anchors<'a>,
) -> Vec<Block<'a>> {
    let file = File { text, anchors };
    let mut blocks: BTreeMap<usize, Block<'a>> = BTreeMap::new();
    for document in documents {
        let Some((_, _, services)) = file.get(document, "services", FARTHEST) else { continue };
        for (name, service) in file.pairs(services, FARTHEST) {
            let Some(name) = file.text_of(name) else { continue };
            file.collect(&name, service, &mut blocks);
        }
    }
    blocks.into_values().collect()
}

/// A file being searched.
struct File<'t, 'a, 'n> {
    text: &'t str,
    anchors: &'n Anchors<'a>,
}

impl<'a> File<'_, 'a, '_> {
    fn collect(&self, name: &str, service: &'a Node, blocks: &mut BTreeMap<usize, Block<'a>>) {
        let deploy = self.get(service, "deploy", FARTHEST).map(|(_, _, deploy)| deploy);
        for owner in [Some(service), deploy].into_iter().flatten() {
            let Some((mapping, key, written)) = self.get(owner, "labels", FARTHEST) else {
                continue;
            };
            let node = self.follow(written);
            let direct = std::ptr::eq(node, written) && node.anchor == 0;
            let block = blocks.entry(node.range.start).or_insert_with(|| Block {
                node,
                entries: self.entries(node),
                wearers: Vec::new(),
                holder: Some(Holder { mapping, key }),
                merged: self.merged(node, FARTHEST),
            });
            block.holder = block.holder.filter(|_| direct);
            block.wearers.push(Wearer {
                service: name.to_owned(),
                container: self.container(name, service),
                extends: self.get(service, "extends", FARTHEST).is_some(),
            });
        }
    }

    fn container(&self, name: &str, service: &'a Node) -> Container {
        let mut names = BTreeSet::from([name.to_owned()]);
        for key in ["container_name", "hostname"] {
            names.extend(
                self.get(service, key, FARTHEST).and_then(|(_, _, name)| self.text_of(name)),
            );
        }
        let env = match self.get(service, "environment", FARTHEST) {
            Some((_, _, written)) => self.environment(written),
            None => BTreeMap::new(),
        };
        Container { names, env: env.into_iter().collect() }
    }

    /// Variables with a value. One without takes it from whoever runs Compose.
    fn environment(&self, written: &'a Node) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        if let Shape::Sequence { items, .. } = &self.follow(written).shape {
            for text in items.iter().filter_map(|item| self.text_of(item)) {
                if let Some((name, value)) = text.split_once('=') {
                    env.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        for (name, value) in self.pairs(written, FARTHEST) {
            if let (Some(name), Some(value)) = (self.text_of(name), self.text_of(value)) {
                env.insert(name, value);
            }
        }
        env
    }

    /// The labels written at this very place, without merged ones.
    fn entries(&self, node: &Node) -> Vec<Entry> {
        match &node.shape {
            Shape::Mapping { pairs, .. } => {
                pairs.iter().filter_map(|(key, value)| self.pair(key, value)).collect()
            }
            Shape::Sequence { items, .. } => {
                items.iter().filter_map(|item| self.item(item)).collect()
            }
            Shape::Scalar { .. } | Shape::Alias(_) => Vec::new(),
        }
    }

    fn pair(&self, key: &Node, value: &Node) -> Option<Entry> {
        let Shape::Scalar { text, style } = &key.shape else { return None };
        let value_style = style_of(self.scalar(value)?);
        let end = match value_style {
            // An absent value has no place, but the colon before it has.
            Style::Absent if value.anchor == 0 && !matches!(value.shape, Shape::Alias(_)) => {
                let rest = &self.text[key.range.end..];
                let colon = rest.len() - rest.trim_start_matches([' ', '\t']).len();
                key.range.end + if rest[colon..].starts_with(':') { colon + 1 } else { 0 }
            }
            _ => value.range.end,
        };
        Some(Entry {
            key: text.clone(),
            value: self.text_of(value).unwrap_or_default(),
            range: key.range.start..end,
            key_style: *style,
            value_style: style_of(value),
        })
    }

    fn item(&self, item: &Node) -> Option<Entry> {
        let text = self.text_of(item)?;
        let (key, value) = text.split_once('=').unwrap_or((&text, ""));
        Some(Entry {
            key: key.to_owned(),
            value: value.to_owned(),
            range: item.range.clone(),
            key_style: style_of(item),
            value_style: style_of(item),
        })
    }

    /// What an alias stands for, or the node itself.
    fn follow(&self, mut node: &'a Node) -> &'a Node {
        for _ in 0..FARTHEST {
            match node.shape {
                Shape::Alias(number) => match self.anchors.get(&number) {
                    Some(target) => node = target,
                    None => break,
                },
                _ => break,
            }
        }
        node
    }

    fn scalar<'n>(&'n self, node: &'n Node) -> Option<&'n Node> {
        let target = match node.shape {
            Shape::Alias(number) => self.anchors.get(&number).copied()?,
            _ => node,
        };
        matches!(target.shape, Shape::Scalar { .. }).then_some(target)
    }

    /// A scalar's text; an absent one has none.
    fn text_of(&self, node: &Node) -> Option<String> {
        match &self.scalar(node)?.shape {
            Shape::Scalar { text, style } if *style != Style::Absent => Some(text.clone()),
            _ => None,
        }
    }

    /// The value of a key, in the mapping itself or in what is merged into it, with the mapping and the
    /// key where it is written.
    fn get(
        &self,
        node: &'a Node,
        wanted: &str,
        steps: usize,
    ) -> Option<(&'a Node, &'a Node, &'a Node)> {
        let node = self.follow(node);
        let Shape::Mapping { pairs, .. } = &node.shape else { return None };
        let is_wanted = |key: &Node| self.text_of(key).as_deref() == Some(wanted);
        let mut own = pairs.iter().filter(|(key, _)| is_wanted(key));
        if let Some((key, value)) = own.next() {
            // Compose refuses a key that is written twice, and which of the two is meant, nobody knows.
            return own.next().is_none().then_some((node, key, value));
        }
        let steps = steps.checked_sub(1)?;
        self.merges(node).into_iter().find_map(|merged| self.get(merged, wanted, steps))
    }

    /// Every pair of a mapping and of what is merged into it; what comes later overrules.
    fn pairs(&self, node: &'a Node, steps: usize) -> Vec<(&'a Node, &'a Node)> {
        let node = self.follow(node);
        let Shape::Mapping { pairs, .. } = &node.shape else { return Vec::new() };
        let mut found = Vec::new();
        if let Some(steps) = steps.checked_sub(1) {
            for merged in self.merges(node).into_iter().rev() {
                found.extend(self.pairs(merged, steps));
            }
        }
        found.extend(
            pairs.iter().filter(|(key, _)| !is_merge(key)).map(|(key, value)| (key, value)),
        );
        found
    }

    /// What `<<` merges into a mapping; the first of several wins.
    fn merges(&self, node: &'a Node) -> Vec<&'a Node> {
        let Shape::Mapping { pairs, .. } = &node.shape else { return Vec::new() };
        let mut found = Vec::new();
        for (_, value) in pairs.iter().filter(|(key, _)| is_merge(key)) {
            match &self.follow(value).shape {
                Shape::Sequence { items, .. } => {
                    found.extend(items.iter().map(|item| self.follow(item)));
                }
                _ => found.push(self.follow(value)),
            }
        }
        found
    }

    fn merged(&self, node: &'a Node, steps: usize) -> BTreeSet<usize> {
        let mut starts = BTreeSet::new();
        let Some(steps) = steps.checked_sub(1) else { return starts };
        for merged in self.merges(node) {
            starts.insert(merged.range.start);
            starts.extend(self.merged(merged, steps));
        }
        starts
    }
}

pub(super) fn is_merge(key: &Node) -> bool {
    matches!(&key.shape, Shape::Scalar { text, style: Style::Plain } if text == "<<")
}

fn style_of(node: &Node) -> Style {
    match node.shape {
        Shape::Scalar { style, .. } => style,
        _ => Style::Plain,
    }
}
