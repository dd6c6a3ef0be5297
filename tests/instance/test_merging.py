from ray_wssis.data.records import Object, Record
from ray_wssis.instance.merging import Learnt, gathered

SEEN = Record(
    image_id=5, file="5.png", width=4, height=3, class_map=b"a PNG", tags=(1,), annotated=b"0<"
)


def test_an_image_keeps_what_is_known_of_it_beside_its_objects() -> None:
    obj = Object(annotation_id=7, label=1, mask=b"0<", crowd=True)
    merged = gathered(SEEN, [Learnt(obj, {"corrected": True})])
    assert merged.record.objects == (obj,) and merged.extra == [{"corrected": True}]
    assert (merged.record.tags, merged.record.annotated) == ((1,), b"0<")
    assert merged.record.class_map == b"a PNG"
