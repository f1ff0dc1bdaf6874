//! The field's words in the languages of the pages: tiers, stages, grades, states.

use rekindle_models::customer::{Grade, LapseTier, LifecycleStage};
use rekindle_models::language::Language;
use rekindle_store::CampaignState;

/// A word of the field, as people say it.
pub trait Said {
    /// In a language.
    fn said(self, language: Language) -> &'static str;
}

impl Said for LapseTier {
    fn said(self, language: Language) -> &'static str {
        let (english, chinese) = match self {
            LapseTier::Awake => ("Awake", "清醒"),
            LapseTier::Drowsy => ("Drowsy", "瞌睡"),
            LapseTier::HalfAsleep => ("Half asleep", "半睡"),
            LapseTier::Dormant => ("Dormant", "沉睡"),
        };
        either(language, english, chinese)
    }
}

impl Said for LifecycleStage {
    fn said(self, language: Language) -> &'static str {
        let (english, chinese) = match self {
            LifecycleStage::Potential => ("Potential", "潜在"),
            LifecycleStage::FirstTime => ("First-time", "首购"),
            LifecycleStage::Repeat => ("Repeat", "复购"),
            LifecycleStage::Loyal => ("Loyal", "忠诚"),
            LifecycleStage::Lapsed => ("Lapsed", "流失"),
        };
        either(language, english, chinese)
    }
}

impl Said for Grade {
    fn said(self, _: Language) -> &'static str {
        self.text()
    }
}

impl Said for CampaignState {
    fn said(self, language: Language) -> &'static str {
        let (english, chinese) = match self {
            CampaignState::Draft => ("Draft", "草稿"),
            CampaignState::Running => ("Running", "进行中"),
            CampaignState::Finished => ("Finished", "已结束"),
        };
        either(language, english, chinese)
    }
}

/// What is said of what is not known; of a grade, that there is none.
pub fn unknown(language: Language) -> &'static str {
    either(language, "Not known", "未知")
}

/// What is said where there is no tier, as nothing was bought.
pub fn no_tier(language: Language) -> &'static str {
    either(language, "No purchase", "未购买")
}

/// A verdict of a report in words.
pub fn verdict(word: &str, language: Language) -> String {
    match word {
        "usable" => either(language, "Usable", "可用").to_owned(),
        "unusable" => either(language, "Unusable", "不可用").to_owned(),
        "not enough data" => either(language, "Not enough data", "数据不足").to_owned(),
        other => other.to_owned(),
    }
}

fn either(language: Language, english: &'static str, chinese: &'static str) -> &'static str {
    match language {
        Language::English => english,
        Language::Chinese => chinese,
    }
}
