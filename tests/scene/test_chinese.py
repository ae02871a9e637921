"""Chinese descriptions of objects, in English."""

from pathlib import Path

import pytest

from models.core.checkpoints import FOLDER
from models.core.errors import UserError
from models.scene import pipeline
from models.scene.chinese.caption import in_chinese
from models.scene.chinese.sentence import describing, in_english, things
from models.scene.grounding.sentence_reading import understood


@pytest.mark.parametrize(
    ("chinese", "english"),
    [
        ("椅子", "the chair"),
        ("黑色的椅子", "the black chair"),
        ("棕色沙发", "the brown couch"),
        ("离窗户最近的椅子", "the chair closest to the window"),
        ("请找到离门最远的办公椅。", "the office chair farthest from the door"),
        ("窗边那把椅子", "the chair next to the window"),
        ("窗户旁边的桌子上的灯", "the lamp on the table next to the window"),
        ("红色的离门最近的椅子", "the red chair closest to the door"),
        ("离门旁边的桌子最近的椅子", "the chair closest to the table next to the door"),
        ("桌子左边的黑色的大椅子", "the black big chair to the left of the table"),
        ("沙发上红色的抱枕", "the red pillow on the couch"),
        ("左边第二把椅子", "the second chair from the left"),
        ("从右数第三个黑色显示器", "the third black monitor from the right"),
        ("桌子和床之间的椅子", "the chair between the table and the bed"),
        ("两个床头柜中间的床", "the bed between the two nightstands"),
        ("不在床上的包", "the bag that is not on the bed"),
        ("上面有电脑的桌子", "the table with the computer on it"),
        ("有枕头的床", "the bed with the pillow"),
        ("面向窗户的沙发", "the couch facing the window"),
        ("靠墙的书架", "the bookshelf against the wall"),
        ("角落里的垃圾桶", "the trash can in the corner of the room"),
        ("房间中间的桌子", "the table in the middle of the room"),
        ("最大的桌子", "the largest table"),
        ("最左边的椅子", "the leftmost chair"),
        ("椅子在窗户旁边", "the chair next to the window"),
        ("这是一把棕色的椅子。它在桌子的左边。", "the brown chair. it is to the left of the table"),
        ("桌子上的笔记本电脑在哪里？", "the laptop on the table"),
    ],
)
def test_what_a_sentence_means(chinese: str, english: str) -> None:
    found = in_english(chinese)
    assert (found.text, found.unknown, found.target) == (english, (), True)


def test_what_is_not_known_is_told_and_not_guessed() -> None:
    found = in_english("飞船旁边的椅子")
    assert found.unknown == ("飞船",) and found.target
    assert [one.key for one in understood("飞船旁边的椅子")[1]] == ["understood_as", "words_unknown"]
    assert not in_english("椅子旁边的飞船").target
    with pytest.raises(UserError, match="thing_unknown") as raised:
        understood("椅子旁边的飞船")
    assert raised.value.facts == {"words": "飞船"}


@pytest.mark.parametrize(
    "text",
    [
        *("的", "的的的", "在", "最", "，。", "离的最近的", "一二三", "不在不在不在床上", "有" * 300),
        *("和之间" * 100, "离" * 100 + "最近" * 100, "门旁边的" * 75, "在床上" * 100, "红" * 299 + "灯"),
    ],
)
def test_nothing_breaks_it(text: str) -> None:
    in_english(text)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("This is a black bag. It is to the right of the table.", "这是一个黑色的袋子。它在桌子的右边。"),
        ("This is a chair. It is closest to the door.", "这是一把椅子。它离门最近。"),
        ("This is a brown table. The table is black and round.", "这是一张棕色的桌子。桌子是黑色的、圆的。"),
        ("There is a lamp on the desk.", "这是一盏灯，它在书桌上面。"),
        ("This is a box. It is the lower of the two boxes.", "这是一个盒子。它是其中较低的盒子。"),
        ("These are books. They are between the lamp and the clock.", "这是一本书。它在灯和时钟之间。"),
        (
            "This is a picture. It is next to the door and near the window.",
            "这是一张画。它在门旁边，在窗户附近。",
        ),
        ("This is a spaceship. It is on the table.", None),
        ("This is a chair. It is humming.", None),
        ("", None),
    ],
)
def test_a_caption_in_chinese_or_whole_in_english(english: str, chinese: str | None) -> None:
    assert in_chinese(english) == chinese


def test_english_stays_as_it_is() -> None:
    assert understood("the chair by the window") == ("the chair by the window", ())


def test_every_label_of_the_shipped_rooms_has_a_chinese_name() -> None:
    labels = {one.label for name in pipeline.examples() for one in pipeline.open_example(name).instances}
    assert labels - set(things().values()) == set()
    assert not set(things()) & {""} and not set(describing()) & {""}


@pytest.mark.skipif(not (FOLDER / "instancerefer").is_dir(), reason="no checkpoint here")
def test_a_chinese_question_finds_what_the_english_one_finds() -> None:
    room = pipeline.open_path(Path("room_office_01"))
    english = pipeline.ground(room, "the office chair closest to the door")
    chinese = pipeline.ground(room, "离门最近的办公椅")
    assert chinese.candidates[0].object_id == english.candidates[0].object_id
    assert chinese.sentence == "离门最近的办公椅" and chinese.notes[0].key == "understood_as"
    compared = pipeline.ground_by("instancerefer", room, "离门最近的办公椅")
    assert compared.best is not None and compared.best.object_id == english.candidates[0].object_id
