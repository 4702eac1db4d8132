//! Tags of objects, and tag sets in XML.

use http::Method;

use super::answer::{About, AnswerError, broken, content_length, unavailable, version};
use super::outgoing::Outgoing;
use super::xml::{Element, Writer};
use super::{S3Store, answer, object_call, with_md5, xml_body};
use crate::backend::{BackendError, ObjectRef, Result, Tags, VersionId};

impl S3Store {
    pub(super) async fn object_tags(&self, object: &ObjectRef) -> Result<(Tags, Option<VersionId>)> {
        self.require_settings()?;
        let call = object_call(Method::GET, object).flag("tagging");
        let about = about(object);
        let response = match self.ok(&call, &Outgoing::empty(), about).await {
            Err(BackendError::NoSuchTagSet) => return Ok((Tags::new(), object.version_id.clone())),
            outcome => outcome?,
        };
        let version = version(response.headers());
        if content_length(response.headers()).is_ok_and(|bytes| bytes == 0) {
            // how Ceph tells of an object from parts without tags
            return Ok((Tags::new(), version));
        }
        let document = answer::xml(response, self.waiting(&call), about).await?;
        let root = document.root();
        Ok((tag_set(root)?, version))
    }

    pub(super) async fn object_tags_set(&self, object: &ObjectRef, tags: &Tags) -> Result<Option<VersionId>> {
        self.require_tags()?;
        let (method, body) = match tags.as_slice() {
            [] => (Method::DELETE, Outgoing::empty()),
            _ => (Method::PUT, xml_body(tagging(tags))),
        };
        let call = with_md5(object_call(method, object).flag("tagging"), &body)?;
        let response = self.ok(&call, &body, about(object)).await?;
        Ok(version(response.headers()))
    }
}

fn about(object: &ObjectRef) -> About {
    About { object: true, version: object.version_id.is_some(), ..About::default() }
}

/// The tags in a `Tagging` document.
pub(super) fn tag_set(root: Element<'_>) -> Result<Tags> {
    let set = root.child("TagSet").into_iter().flat_map(|set| set.all("Tag"));
    let tags = set.take(TAGS_MAX + 1).map(|tag| {
        let key = tag.required("Key").map_err(broken)?;
        Ok((key.to_owned(), tag.text("Value").unwrap_or_default().to_owned()))
    });
    let tags = tags.collect::<Result<Tags>>()?;
    if tags.len() > TAGS_MAX { Err(unavailable(AnswerError::TooMany)) } else { Ok(tags) }
}

/// A `Tagging` document.
pub(super) fn tagging(tags: &Tags) -> String {
    Writer::document("Tagging", |writer| {
        writer.element("TagSet", |set| {
            for (key, value) in tags {
                set.element("Tag", |tag| {
                    tag.text("Key", key);
                    tag.text("Value", value);
                });
            }
        });
    })
}

/// S3 has 10 of an object and 50 of a bucket; a store may have more, but none of ours came with them.
const TAGS_MAX: usize = 100;
